/**
 * Servers to compare the gateway's token check with: `node peers.ts KIND PORT`. KIND is one of
 *
 * - `node`: a node:http server that only says hello
 * - `express`: the same with Express
 * - `express-jose-redis`: the obvious implementation with Express, jwtVerify of jose and one GET of Redis (environment: REDIS_URL, JWKS)
 */
import { createServer } from 'node:http';
import express from 'express';
import { Redis } from 'ioredis';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';

const [kind = '', port = ''] = process.argv.slice(2);

function listener() {
  if (kind === 'node') {
    return createServer((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/plain' }).end('hello');
    });
  }
  const app = express();
  if (kind === 'express') app.get('/auth/verify', (_request, response) => void response.type('text').send('hello'));
  else {
    const redis = new Redis(process.env.REDIS_URL ?? '');
    const keys = createLocalJWKSet(JSON.parse(process.env.JWKS ?? '') as JSONWebKeySet);
    app.get('/auth/verify', async (request, response) => {
      const token = (request.headers.authorization ?? '').replace('Bearer samlgate_cli_', '');
      const { payload } = await jwtVerify(token, keys, { typ: 'samlgate-cli+jwt' });
      const member = JSON.parse((await redis.get(`member:${payload.sub}`)) ?? 'null') as { id: string; email: string; role: string } | null;
      if (!member) return void response.status(401).end();
      response.set({ 'X-User': member.id, 'X-Email': member.email, 'X-Role': member.role }).end();
    });
  }
  return createServer(app);
}

listener().listen(Number(port), '127.0.0.1', () => process.stdout.write('ready\n'));
