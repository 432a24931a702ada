// The peer of `npm run bench:acs`: passport-saml with sessions in Redis (connect-redis), as in many applications.
// Environment: PORT, REDIS_URL, BASE (its own URL), IDP_CERT (base64 of the DER), ISSUER.
import { Strategy } from '@node-saml/passport-saml';
import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';
import passport from 'passport';
import { createClient } from 'redis';

const { PORT, REDIS_URL, BASE, IDP_CERT, ISSUER } = process.env;
const client = createClient({ url: REDIS_URL });
await client.connect();

for (const [name, wantAuthnResponseSigned] of [
  ['large', true],
  ['small', false],
]) {
  const options = {
    callbackUrl: `${BASE}/${name}/acs`,
    entryPoint: 'https://idp.example/sso',
    issuer: `${BASE}/${name}/metadata`,
    audience: `${BASE}/${name}/metadata`,
    idpCert: IDP_CERT,
    idpIssuer: ISSUER,
    wantAuthnResponseSigned,
    wantAssertionsSigned: true,
    acceptedClockSkewMs: 180_000,
  };
  const found = (profile, done) => done(null, { id: profile.nameID, email: profile.email, groups: profile.groups });
  passport.use(name, new Strategy(options, found, found));
}
passport.serializeUser((user, done) => done(null, user));
passport.deserializeUser((user, done) => done(null, user));

const app = express();
app.use(express.urlencoded({ extended: false, limit: '600kb' }));
app.use(session({ store: new RedisStore({ client }), secret: 'bench', resave: false, saveUninitialized: false }));
app.use(passport.initialize(), passport.session());
for (const name of ['large', 'small']) {
  app.post(`/${name}/acs`, passport.authenticate(name, { failureRedirect: '/failed' }), (_request, response) =>
    response.redirect(303, '/console'),
  );
}
app.get('/readyz', (_request, response) => response.send('ok'));
app.listen(Number(PORT), '127.0.0.1');
