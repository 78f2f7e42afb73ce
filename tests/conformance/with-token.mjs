// Loaded into the conformance suite, which has no option for it: every request that it sends carries the token.
import { subscribe } from 'node:diagnostics_channel';

const bearer = `Bearer ${process.env.BAC_MCP_TOKEN}`;

// fetch, and undici itself
subscribe('undici:request:create', ({ request }) => request.addHeader('authorization', bearer));
// node:http
subscribe('http.client.request.created', ({ request }) => request.setHeader('authorization', bearer));
