// The driver protocol for drivers written in JavaScript; drivers/protocol.py says what it is.
'use strict';

const readline = require('node:readline');

class Lacks extends Error {}

class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const encode = (data) => (data === null || data === undefined ? null : Buffer.from(data).toString('base64'));
const decode = (text) => (text === null ? null : Buffer.from(text, 'base64'));

const write = (answer) => process.stdout.write(JSON.stringify(answer) + '\n');
const event = (fields) => write({ event: fields });
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Headers as both clients take and give them: a value or a list of values for each name.
function headersOf(record) {
  const named = {};
  for (const [name, value] of record.headers) {
    const data = decode(value);
    named[name] = name in named ? [].concat(named[name], [data]) : data;
  }
  return named;
}

function rowOf(message) {
  const headers = [];
  for (const [name, values] of Object.entries(message.headers || {})) {
    for (const value of [].concat(values)) headers.push([name, encode(value)]);
  }
  return {
    offset: Number(message.offset),
    timestamp: Number(message.timestamp),
    key: encode(message.key),
    value: encode(message.value),
    headers,
  };
}

// Answers requests until stdin ends: request `op` is method `op` of `driver`.
async function serve(driver) {
  const waiting = [];
  let wake = null;
  let ended = false;
  const lines = readline.createInterface({ input: process.stdin });
  const notify = () => wake && wake();
  lines.on('line', (line) => { waiting.push(JSON.parse(line)); notify(); });
  lines.on('close', () => { ended = true; notify(); });
  driver.leaveWanted = async () => {
    while (waiting.length === 0 && !ended) await new Promise((resolve) => { wake = resolve; });
    waiting.shift();
  };
  for (;;) {
    while (waiting.length === 0 && !ended) await new Promise((resolve) => { wake = resolve; });
    if (waiting.length === 0) process.exit(0);
    const { op, ...fields } = waiting.shift();
    try {
      if (!driver[op]) throw new Lacks(`has no ${op.replaceAll('_', ' ')}`);
      write({ done: (await driver[op](fields)) || {} });
    } catch (error) {
      if (error instanceof Lacks) write({ lacks: error.message });
      else write({ error: { code: codeOf(error), message: `${error.name}: ${error.message}` } });
    }
  }
}

// Kafka's code of an error, where the client keeps it.
function codeOf(error) {
  for (let one = error; one; one = one.cause || one.originalError) {
    if (Array.isArray(one.errors) && one.errors.length > 0) return codeOf(one.errors[0]);
    if (typeof one.code === 'number') return one.code;
  }
  return null;
}

module.exports = { Lacks, Refused, encode, decode, event, headersOf, rowOf, serve, sleep, codeOf };
