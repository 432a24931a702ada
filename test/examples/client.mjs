// Who am I, which tokens do I have, and who else is here? After `samlgate login`, or with SAMLGATE_URL and SAMLGATE_CLI_TOKEN:
//   node client.mjs
import { createClient, SamlgateError } from 'samlgate/client';

const client = createClient();
const { user, organization } = await client.me();
console.log(`${user.email} is ${user.role} of ${organization.name}`);

// A list fetches its pages as they are read.
for await (const token of client.tokens.list()) {
  console.log(`token ${token.name}: ${token.expires_at ?? 'without an end'}`);
}

try {
  for await (const member of client.members.list(organization.slug)) {
    console.log(`member ${member.email}: ${member.role}`);
  }
} catch (error) {
  // Codes are part of the public interface.
  if (!(error instanceof SamlgateError) || error.code !== 'forbidden') throw error;
  console.log('Only owners see the members.');
}
