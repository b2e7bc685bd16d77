// npm run bench -- grpc: where the time of a check over gRPC goes, and what wins some of it back.
import { Buffer } from 'node:buffer';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { CheckResourcesRequestSchema } from '@cerbos/api/cerbos/request/v1/request_pb';
import { CheckResourcesResponseSchema } from '@cerbos/api/cerbos/response/v1/response_pb';
import { GRPC } from '@cerbos/grpc';
import { cerbos, cerbosSidecar } from '@portcullis/pdp/cerbos';
import { coalesced } from '@portcullis/pdp/client';
import * as model from './engines-model.mjs';
import { interleave, report } from './measure.mjs';

const names = model.toolNames(30);
const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));
for (const [name, text] of model.cerbosPolicies(names)) writeFileSync(join(folder, name), text);
const pdp = await cerbosSidecar({ policies: folder, pollMs: 0, deadlineMs: 30_000 });
const [request] = model.requests(names);

/** The same bytes over HTTP/2 by hand: what is left when the library is not there. */
function bare(target) {
  const session = connect('http://localhost', {
    createConnection: () => createConnection(target.replace('unix:', '')),
  });
  const resource = { kind: request.tool, id: 'thing', policyVersion: 'default', scope: 'acme' };
  const encode = () => {
    const message = toBinary(
      CheckResourcesRequestSchema,
      create(CheckResourcesRequestSchema, {
        requestId: '1',
        principal: { id: request.user, roles: [request.role], scope: 'acme', policyVersion: 'default', attr: {} },
        resources: [{ resource, actions: [model.action] }],
      }),
    );
    const frame = Buffer.alloc(5 + message.length);
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, 5);
    return frame;
  };
  return {
    check: () =>
      new Promise((resolve, reject) => {
        const stream = session.request({
          ':method': 'POST',
          ':path': '/cerbos.svc.v1.CerbosService/CheckResources',
          'content-type': 'application/grpc',
          te: 'trailers',
        });
        const chunks = [];
        stream.on('data', (chunk) => chunks.push(chunk));
        stream.on('error', reject);
        stream.on('end', () => resolve(fromBinary(CheckResourcesResponseSchema, Buffer.concat(chunks).subarray(5))));
        stream.end(encode());
      }),
    close: () => session.close(),
  };
}

const plain = new GRPC(pdp.target, { tls: false });
const tuned = cerbos(pdp.target, { deadlineMs: 30_000 });
const together = coalesced(cerbos(pdp.target, { deadlineMs: 30_000 }));
const http2 = bare(pdp.target);
try {
  const question = model.toCerbos(request);
  const own = model.toCheck(request);
  const [answer] = (await http2.check()).results;
  if (answer?.resource?.kind !== request.tool) throw new Error('the bare client is not answered');
  report(
    'one check',
    await interleave(
      {
        'a bare HTTP/2 client, the same messages': () => http2.check(),
        '@cerbos/grpc, as it comes': () => plain.checkResources(question),
        'cerbos(): without retries, resolver and proxy of its own': () => tuned.check(own),
      },
      { rounds: 3000, warmup: 500 },
    ),
  );
  const many = { ...own, questions: Array.from({ length: 50 }, () => own.questions[0]) };
  report(
    '50 questions of one principal',
    await interleave(
      {
        'in one request': () => tuned.check(many),
        'at one time, through coalesced()': () => Promise.all(Array.from({ length: 50 }, () => together.check(own))),
        'at one time, each a request': () => Promise.all(Array.from({ length: 50 }, () => tuned.check(own))),
      },
      { rounds: 200, warmup: 30 },
    ),
  );
} finally {
  http2.close();
  plain.close();
  await tuned.close();
  await together.close();
  await pdp.close();
  rmSync(folder, { recursive: true });
}
