// Lets tus-js-client upload a file to a relay and says what came of it, as JSON: `tus.cjs UPLOADS FILE LARGE`. UPLOADS is
// the URL where uploads are made, FILE has some chunks, LARGE is larger than the relay takes.
import { readFile } from 'node:fs/promises';
import { Upload } from 'tus-js-client';

const CHUNK = 1024 * 1024;

/** Milliseconds until it is tried again: a request that was given up may still hold an upload for a moment. */
const retryDelays = [50, 100, 200, 400, 800, 1_600];

/** Begins an upload: its end, and what it is. `options` are more of tus-js-client's. */
function begin(endpoint, bytes, options = {}) {
  let upload;
  const ended = new Promise((onSuccess, onError) => {
    upload = new Upload(bytes, {
      endpoint,
      chunkSize: CHUNK,
      retryDelays,
      metadata: { filename: 'a file' },
      ...options,
      onSuccess: () => onSuccess(upload.url),
      onError,
    });
    upload.start();
  });
  return { upload, ended };
}

/** The status with which a relay refuses. */
const refused = (ended) => ended.then(() => null, (error) => error.originalResponse?.getStatus() ?? String(error));

/** Where an upload stands that was given up after a chunk. */
async function interrupted(endpoint, bytes) {
  let stop;
  const accepted = new Promise((resolve) => {
    stop = resolve;
  });
  const { upload } = begin(endpoint, bytes, { onChunkComplete: (_, done) => stop(done) });
  const done = await accepted;
  await upload.abort();
  return { url: upload.url, done };
}

async function main() {
  const [endpoint, file, large] = process.argv.slice(2);
  const bytes = await readFile(file);
  const told = { whole: await begin(endpoint, bytes).ended };

  const first = await interrupted(endpoint, bytes);
  told.interruptedAt = first.done;
  let resumedAt;
  const onProgress = (done) => {
    resumedAt ??= done;
  };
  told.resumed = await begin(endpoint, bytes, { uploadUrl: first.url, onProgress }).ended;
  told.resumedAt = resumedAt;

  // Three parts at once, which become one file.
  told.parallel = await begin(endpoint, bytes, { parallelUploads: 3 }).ended;
  // The first bytes with the request that makes the upload.
  told.withData = await begin(endpoint, bytes, { uploadDataDuringCreation: true }).ended;

  const second = await interrupted(endpoint, bytes);
  await Upload.terminate(second.url, { retryDelays });
  told.terminated = second.url;
  told.tooLarge = await refused(begin(endpoint, await readFile(large)).ended);
  console.log(JSON.stringify(told));
}

main();
