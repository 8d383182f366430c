// Asks a gateway for chat completions with the official openai client for Node.
// usage: node openai_chat.mjs BASE_URL TOKEN MODEL EMBEDDING_MODEL MARK ("" for a provider without embeddings)
import OpenAI from "openai";
import { CALLS, DEGREES, PIXEL, citySchema, forecastSchema, user } from "./scenarios.mjs";
import { collected, failure, failuresByStatus, leftAfter, report } from "./scenarios.mjs";

const [baseURL, apiKey, model, embeddingModel, mark] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 20_000 });
const tools = [{ type: "function", function: { name: "get_weather", parameters: citySchema } }];

const chat = (content, fields = {}, options = {}) =>
  client.chat.completions.create({ model, messages: user(content), ...fields }, options);
const text = (answer) => answer.choices[0].message.content;

// Puts a message together from its chunks, as the format's reference says.
function assembled(stream) {
  const message = { role: "assistant", content: null, tool_calls: [] };
  for (const delta of stream.flatMap((chunk) => chunk.choices.map((choice) => choice.delta))) {
    for (const part of delta.tool_calls ?? []) {
      const call = (message.tool_calls[part.index] ??= { type: "function", function: { name: "", arguments: "" } });
      call.id ??= part.id;
      call.function.name += part.function?.name ?? "";
      call.function.arguments += part.function?.arguments ?? "";
    }
  }
  return message;
}

async function calling(stream) {
  const messages = user(`Weather? ${CALLS}`);
  const answer = await client.chat.completions.create({ model, messages, tools, stream });
  const message = stream ? assembled(await collected(answer)) : answer.choices[0].message;
  const results = message.tool_calls.map((call, index) => ({
    role: "tool",
    tool_call_id: call.id,
    content: `${DEGREES[index]} degrees`,
  }));
  const after = await client.chat.completions.create({ model, messages: [...messages, message, ...results], tools });
  return { calls: message.tool_calls, after: text(after) };
}

const scenarios = {
  plain: () => chat("Hello, Ünïcode ✓"),
  streamed: async () =>
    collected(
      await chat("Hello, Ünïcode ✓ [sim: chunks=5 prompt=11 completion=7]", {
        stream: true,
        stream_options: { include_usage: true },
      }),
    ),
  helper: async () => {
    const stream = client.chat.completions.stream({ model, messages: user("Hello") });
    let said = "";
    stream.on("content", (delta) => (said += delta));
    return { said, final: await stream.finalContent(), heard: said };
  },
  tools: () => calling(false),
  tools_streamed: () => calling(true),
  structured: async () => {
    const format = { type: "json_schema", json_schema: { name: "forecast", strict: true, schema: forecastSchema } };
    return JSON.parse(text(await chat("Rome?", { response_format: format })));
  },
  image: async () => {
    const url = `data:image/png;base64,${PIXEL}`;
    await chat([{ type: "text", text: `${mark}-image` }, { type: "image_url", image_url: { url } }]);
    return PIXEL;
  },
  instructions: async () => {
    const told = [];
    for (const role of ["system", "developer"]) {
      const messages = [{ role, content: `[sim: text="From ${role}."]` }, ...user("Hello")];
      told.push(text(await client.chat.completions.create({ model, messages })));
    }
    return told;
  },
  embeddings: async () => {
    if (!embeddingModel) return null;
    const ask = async (fields) =>
      (await client.embeddings.create({ model: embeddingModel, input: ["one", "two"], ...fields })).data;
    return { packed: await ask({}), plain: await ask({ encoding_format: "float" }) };
  },
  models: async () => {
    const listed = [];
    for await (const one of client.models.list()) listed.push(one.id);
    return { listed, one: await client.models.retrieve(model) };
  },
  errors: () => failuresByStatus((content, stream) => chat(content, { stream })),
  bad_body: () => failure(chat("", { messages: [{ role: "user", content: 5 }] })),
  wrong_token: () => failure(new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 }).models.list()),
  unknown_model: () => failure(chat("Hi", { model: "gpt-5-maxi" })),
  broken_stream: async () => failure(collected(await chat("a b c d [sim: chunks=4 fail=cut@2]", { stream: true }))),
  limited: () => failure(chat(`${mark}-limited [sim: status=429 retry_after=1]`, {}, { maxRetries: 1 })),
  timeout: () =>
    failure(chat("Hi [sim: silence=headers]", {}, { timeout: 500, headers: { "x-request-id": `${mark}-timeout` } })),
  abort: async () => {
    const options = { headers: { "x-request-id": `${mark}-abort` } };
    return leftAfter(3, await chat("Hi [sim: chunks=1000 gap_ms=20]", { stream: true }, options));
  },
};

await report(scenarios);
