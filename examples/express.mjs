// A service that lets in whoever a gateway vouches for: session tokens are verified here, CLI tokens are exchanged for one.
//   SAMLGATE_URL=http://localhost:8080 node examples/express.mjs
import express from 'express';
import { requireAuth } from 'samlgate/express';

const issuer = process.env.SAMLGATE_URL ?? 'http://localhost:8080';
const app = express();

app.get('/hello', requireAuth({ issuer }), (request, response) => {
  response.json({ hello: request.auth.email, role: request.auth.role });
});

app.delete('/everything', requireAuth({ issuer, role: 'owner' }), (_request, response) => {
  response.sendStatus(204);
});

const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/hello`);
});
