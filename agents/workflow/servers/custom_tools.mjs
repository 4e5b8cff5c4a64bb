// A server for a folder of JavaScript files, by the Model Context Protocol over pipes.
//
//     node custom_tools.mjs FOLDER
//
// A file exports one function (its name is that of the file; `description` and `inputSchema` may hang on it), or one object
// {name, description, inputSchema, execute}, or several of either as properties.

import { readdirSync } from "node:fs";
import { basename, extname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const ANYTHING = { type: "object", properties: {} };
const PROTOCOL = "2025-06-18";

// what a tool prints must not end up between the messages
const send = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);

const tools = new Map();
let broken = null;

function add(name, about, execute) {
  if (tools.has(name)) throw new Error(`two tools are called ${name}`);
  const inputSchema = { ...ANYTHING, ...(about.inputSchema ?? {}) };
  tools.set(name, { description: about.description ?? "", inputSchema, execute });
}

function isObjectTool(value) {
  return typeof value === "object" && value !== null && typeof value.execute === "function";
}

function addExport(name, value) {
  if (typeof value === "function") add(name, value, value);
  else if (isObjectTool(value)) add(value.name ?? name, value, value.execute.bind(value));
  else return false;
  return true;
}

async function load(folder) {
  const files = readdirSync(folder).filter((name) => extname(name) === ".js").sort();
  for (const file of files) {
    try {
      const module = await import(pathToFileURL(join(folder, file)));
      const exported = module.default ?? module;
      if (addExport(basename(file, ".js"), exported)) continue;
      const found = Object.entries(exported).filter(([name, value]) => addExport(name, value));
      if (found.length === 0) throw new Error("exports no tool");
    } catch (error) {
      throw new Error(`${file}: ${error.message}`);
    }
  }
}

function text(result) {
  return typeof result === "string" ? result : JSON.stringify(result, null, 2) ?? "";
}

async function call({ name, arguments: given }) {
  if (typeof name !== "string") return failure(-32602, "a tool has to be named");
  const tool = tools.get(name);
  if (tool === undefined) return failure(-32601, `there is no tool ${name}`);
  try {
    return { result: { content: [{ type: "text", text: text(await tool.execute(given ?? {})) }] } };
  } catch (error) {
    return failure(-32000, `${name}: ${error?.message ?? error}`);
  }
}

function failure(code, message) {
  return { error: { code, message } };
}

async function answer({ method, params }) {
  if (method === "initialize") {
    return {
      result: {
        protocolVersion: params?.protocolVersion ?? PROTOCOL,
        capabilities: { tools: {} },
        serverInfo: { name: "tunewright-custom-tools", version: "1" },
      },
    };
  }
  if (method === "ping") return { result: {} };
  if (broken !== null) return failure(-32000, broken);
  if (method === "tools/list") {
    const listed = [...tools].map(([name, { description, inputSchema }]) => ({
      name,
      description,
      inputSchema,
    }));
    return { result: { tools: listed } };
  }
  if (method === "tools/call") return call(params ?? {});
  return failure(-32601, `there is no method ${method}`);
}

try {
  await load(resolve(process.argv[2]));
} catch (error) {
  broken = error.message;
}
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  if (request.id === undefined || request.method === undefined) continue;
  send(`${JSON.stringify({ jsonrpc: "2.0", id: request.id, ...(await answer(request)) })}\n`);
}
process.exit(0);
