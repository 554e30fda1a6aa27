// A real OpenID provider for the tests: oidc-provider with its in-memory adapter and its own
// development login, in which anybody is whoever they say. The tests say what it declares.
//
// Usage: node provider.mjs LIBRARY CONFIG.json, where LIBRARY is oidc-provider's index.js and the
// configuration is written by tests/openid/__init__.py:
//   { port, clients: [...], people: { name: { claim: value } } }
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [library, file] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(library));
const config = JSON.parse(readFileSync(file, 'utf8'));

function signingKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'tests' };
}

const provider = new Provider(`http://localhost:${config.port}`, {
  jwks: { keys: [signingKey()] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  clients: config.clients,
  claims: { openid: ['sub'], profile: ['name', 'groups', 'department'] },
  conformIdTokenClaims: false, // groups come in the ID token
  pkce: { required: () => true },
  ttl: { Session: 3600, Interaction: 600, Grant: 3600, IdToken: 300, AccessToken: 60 },
  async findAccount(_ctx, id) {
    const claims = config.people[id];
    return claims && { accountId: id, claims: () => ({ sub: id, ...claims }) };
  },
});

provider.on('server_error', (_ctx, error) => console.error(error));
const server = provider.listen(config.port, 'localhost', () => console.log('ready'));
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
