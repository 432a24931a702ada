// Prints your user, your CLI tokens and the members of your organization. Sign in with `samlgate login` first, or set SAMLGATE_URL and
// SAMLGATE_CLI_TOKEN:
//   node client.mjs
import { createClient, SamlgateError } from 'samlgate/client';

const client = createClient();
const { user, organization } = await client.me();
console.log(`${user.email} is ${user.role} of ${organization.name}`);

// Lists fetch their pages as they are read.
for await (const token of client.tokens.list()) {
  console.log(`token ${token.name}: ${token.expires_at ?? 'never expires'}`);
}

try {
  for await (const member of client.members.list(organization.slug)) {
    console.log(`member ${member.email}: ${member.role}`);
  }
} catch (error) {
  // Error codes are part of the public interface.
  if (!(error instanceof SamlgateError) || error.code !== 'forbidden') throw error;
  console.log('Only owners can list members.');
}
