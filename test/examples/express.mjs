// A service for members of one organization. Session tokens are verified offline; CLI tokens are exchanged for session tokens.
//   SAMLGATE_URL=http://localhost:8080 SAMLGATE_ORGANIZATION=org_… node express.mjs
import express from 'express';
import { requireAuth } from 'samlgate/express';

const issuer = process.env.SAMLGATE_URL ?? 'http://localhost:8080';
// A gateway serves many companies. Without this, members of all of them have access.
const organization = process.env.SAMLGATE_ORGANIZATION;
const app = express();

app.get('/hello', requireAuth({ issuer, organization }), (request, response) => {
  response.json({ hello: request.auth.email, role: request.auth.role });
});

app.delete('/everything', requireAuth({ issuer, organization, role: 'owner' }), (_request, response) => {
  response.sendStatus(204);
});

const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/hello`);
});
