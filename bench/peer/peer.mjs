// The peer of the issue benchmark: oidc-provider with its in-memory adapter, on loopback http.
//
// Usage: node peer.mjs CONFIG.json, where CONFIG.json is written by bench/peer_side.py:
//   { port, resource, secretClient: { id, secret }, keyClient: { id, jwks } }
// What it does for each token is what it does out of the box, with the features that Fleeting
// also has switched on: RFC 9068 tokens in ES256, RFC 8707, RFC 9396, RFC 9449 with nonces.
// It decides nothing (no policy) and records nothing durable (memory), to its advantage.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

import Provider, { errors } from 'oidc-provider';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const issuer = `http://127.0.0.1:${config.port}`;

function signingKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'bench' };
}

const FIELDS = new Map([
  ['type', 'string'],
  ['actions', 'object'],
  ['payment_id', 'string'],
  ['amount', 'number'],
  ['currency', 'object'],
]);

function validateRefund(_ctx, detail) {
  for (const [field, value] of Object.entries(detail)) {
    if (FIELDS.get(field) !== typeof value) {
      throw new errors.InvalidAuthorizationDetails(`unexpected member ${field}`);
    }
  }
}

const client = {
  grant_types: ['client_credentials'],
  response_types: [],
  redirect_uris: [],
  authorization_details_types: ['payment_refund'],
};

const provider = new Provider(issuer, {
  jwks: { keys: [signingKey()] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  clientAuthMethods: ['client_secret_basic', 'private_key_jwt'],
  clients: [
    {
      ...client,
      client_id: config.secretClient.id,
      client_secret: config.secretClient.secret,
      token_endpoint_auth_method: 'client_secret_basic',
    },
    {
      ...client,
      client_id: config.keyClient.id,
      jwks: config.keyClient.jwks,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      dpop_bound_access_tokens: true,
    },
  ],
  ttl: { ClientCredentials: 60, ReplayDetection: 300 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
    richAuthorizationRequests: {
      enabled: true,
      types: { payment_refund: { validate: validateRefund } },
      authorizationDetailsForGrantSource: (_ctx, source) => source.rar,
      authorizationDetailsForAccessToken: (ctx) =>
        JSON.parse(ctx.oidc.params.authorization_details),
      authorizationDetailsForIntrospection: (_ctx, token) => token.rar,
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => config.resource,
      getResourceServerInfo: () => ({
        scope: 'payments:read',
        audience: config.resource,
        accessTokenTTL: 60,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});

provider.on('server_error', (_ctx, error) => console.error(error));

const server = provider.listen(config.port, '127.0.0.1', () => {
  server.keepAliveTimeout = 120_000;
  console.log('ready');
});
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
