// Times an exported model in onnxruntime-node, on the processor, and prints JSON.
//
//   node time_onnx.js MODEL.onnx BATCH WIDTH HEIGHT
//
// SPDX-License-Identifier: LGPL-2.1-or-later
'use strict';
const os = require('os');
const ort = require('onnxruntime-node');

const SECONDS = 4;
const MIN_RUNS = 3;
const MAX_RUNS = 200;
const WARM_UP = 2;

async function main([file, batch, width, height]) {
  const dims = [Number(batch), 3, Number(height), Number(width)];
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, Math.random);
  const session = await ort.InferenceSession.create(file, { graphOptimizationLevel: 'all' });
  const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', data, dims) };
  const once = async () => {
    const before = process.hrtime.bigint();
    await session.run(feeds);
    return Number(process.hrtime.bigint() - before) / 1e6;
  };

  for (let i = 0; i < WARM_UP; i++) await once();
  const times = [];
  const start = Date.now();
  while (times.length < MIN_RUNS || (Date.now() - start < SECONDS * 1e3 && times.length < MAX_RUNS)) times.push(await once());
  times.sort((a, b) => a - b);
  console.log(JSON.stringify({ median_ms: times[times.length >> 1], min_ms: times[0], runs: times.length, onnxruntime: ort.env.versions.node,
    processors: os.cpus().length }));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
