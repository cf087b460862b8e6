// Runs exported models in onnxruntime-node.
//
//   node check-onnx.js NDDR GOLDENS.safetensors DIR
//
// DIR: what make-models wrote. What each model's heads give for its picture is compared with PyTorch's golden outputs. Some are compared with
// `nddr infer --npy` as well: two pictures at once at the model's own size, and one at a size that it was not exported for; they are noise, written as
// PNG for the tool and given as red, green and blue in [0, 1] to ONNX Runtime.
//
// SPDX-License-Identifier: LGPL-2.1-or-later
'use strict';
const { execFileSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const zlib = require('zlib');
const ort = require('onnxruntime-node');

const BOUND = 1e-4; // of the norm of the difference over the norm
const INFERRED = ['vgg16-8-nddr-shortcut', 'vgg16-even', 'mobilenet_v2-8-nddr', 'mobilenet_v2-16-shared-shortcut', 'mobilenet_v2-sluice',
  'resnet18-8-aspp-cross-stitch', 'resnet50-16-largefov-nddr-shortcut'];

// ---- pictures: 8-bit RGB

function makePicture(width, height, seed) {
  const rgb = Buffer.alloc(width * height * 3);
  let state = seed >>> 0;
  for (let i = 0; i < rgb.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    rgb[i] = state >>> 24;
  }
  return { width, height, rgb };
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function pngChunk(type, content) {
  const body = Buffer.concat([Buffer.from(type), content]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(content.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}

function writePng(file, { width, height, rgb }) {
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]); // 8 bits, RGB
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  const rows = [];
  for (let y = 0; y < height; y++) rows.push(Buffer.from([0]), rgb.subarray(y * width * 3, (y + 1) * width * 3));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  fs.writeFileSync(file, Buffer.concat([signature, pngChunk('IHDR', header), pngChunk('IDAT', zlib.deflateSync(Buffer.concat(rows))),
    pngChunk('IEND', Buffer.alloc(0))]));
}

function toTensor(pictures) {
  const { width, height } = pictures[0];
  const plane = width * height;
  const data = new Float32Array(pictures.length * 3 * plane);
  pictures.forEach(({ rgb }, n) => {
    for (let c = 0; c < 3; c++) for (let p = 0; p < plane; p++) data[(n * 3 + c) * plane + p] = rgb[p * 3 + c] / 255;
  });
  return new ort.Tensor('float32', data, [pictures.length, 3, height, width]);
}

// ---- files

// An array of float32 as NumPy stores it.
function readNpy(file) {
  const bytes = fs.readFileSync(file);
  const length = bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, 10 + length);
  const shape = /'shape': \(([^)]*)\)/.exec(header)[1].split(',').map(Number);
  if (!header.includes("'<f4'") || !header.includes("'fortran_order': False")) throw new Error(`${file}: ${header}`);
  const data = new Float32Array(shape.reduce((a, b) => a * b));
  for (let i = 0; i < data.length; i++) data[i] = bytes.readFloatLE(10 + length + 4 * i);
  return { shape, data };
}

// { metadata, tensors: { name: { shape, data } } }: float32 alone.
function readSafetensors(file) {
  const bytes = fs.readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata, ...entries } = JSON.parse(bytes.toString('utf8', 8, start));
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [begin, end] }] of Object.entries(entries)) {
    if (dtype !== 'F32') throw new Error(`${file}: ${name} is ${dtype}`);
    tensors[name] = { shape, data: new Float32Array(bytes.buffer.slice(bytes.byteOffset + start + begin, bytes.byteOffset + start + end)) };
  }
  return { metadata, tensors };
}

// ---- comparing

// Of picture @n of @output with @want.
function relativeError(output, n, want) {
  const size = want.data.length;
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < size; i++) {
    difference += (output.data[n * size + i] - want.data[i]) ** 2;
    norm += want.data[i] ** 2;
  }
  return Math.sqrt(difference / norm);
}

// The largest of all tasks. @want (task, n): what its head should give for picture n.
async function compare(session, config, image, want) {
  const outputs = await session.run({ image });
  let worst = 0;
  for (const { name } of config.tasks) {
    for (let n = 0; n < image.dims[0]; n++) {
      const expected = want(name, n);
      const shape = [image.dims[0], ...expected.shape];
      if (String(outputs[name].dims) !== String(shape)) throw new Error(`${name} is ${outputs[name].dims}, expected ${shape}`);
      const error = relativeError(outputs[name], n, expected);
      worst = error <= worst ? worst : error; // a NaN stays
    }
  }
  return worst;
}

function compareInferred(nddr, model, session, config, folder, pictures) {
  const { width, height } = pictures[0];
  const files = pictures.map((picture, n) => path.join(folder, `${n}.png`));
  pictures.forEach((picture, n) => writePng(files[n], picture));
  execFileSync(nddr, ['infer', model, ...files, '-o', folder, '--npy', '--precision', 'fp32', '--input', `${width}x${height}`]);
  return compare(session, config, toTensor(pictures), (task, n) => readNpy(path.join(folder, `${n}.${task}.npy`)));
}

async function check(nddr, goldens, name, folder) {
  const model = path.join(folder, `${name}.safetensors`);
  const onnx = path.join(folder, `${name}.onnx`);
  const config = JSON.parse(readSafetensors(model).metadata.config);
  const { width, height } = config.input;
  execFileSync(nddr, ['export', model, '-o', onnx]);
  const session = await ort.InferenceSession.create(onnx, { intraOpNumThreads: 1 });
  const tasks = config.tasks.map((task) => task.name);
  if (String(session.inputNames) !== 'image' || String(session.outputNames) !== String(tasks)) {
    throw new Error(`${name}: inputs ${session.inputNames}, outputs ${session.outputNames}, expected image and ${tasks}`);
  }
  const { shape, data } = readSafetensors(path.join(folder, `${name}.picture`)).tensors.image;
  const errors = { PyTorch: await compare(session, config, new ort.Tensor('float32', data, shape), (task) => goldens.tensors[`${name}/${task}`]) };
  if (INFERRED.includes(name)) {
    errors.nddr = await compareInferred(nddr, model, session, config, folder, [makePicture(width, height, 1), makePicture(width, height, 2)]);
    errors['nddr, another size'] = await compareInferred(nddr, model, session, config, folder, [makePicture(width + 21, height + 10, 3)]);
  }
  const fine = Object.values(errors).every((error) => error <= BOUND);
  const list = Object.entries(errors).map(([whose, error]) => `${error.toExponential(1)} (${whose})`);
  console.log(`${fine ? 'ok    ' : 'FAILED'} ${name}: relative error ${list.join(', ')}`);
  return fine;
}

async function main([nddr, goldenFile, folder]) {
  const goldens = readSafetensors(goldenFile);
  const names = Object.keys(goldens.metadata).filter((name) => !name.endsWith('.affine'));
  let fine = INFERRED.every((name) => names.includes(name));
  for (const name of names) fine = (await check(nddr, goldens, name, folder)) && fine;
  process.exitCode = fine ? 0 : 1;
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
