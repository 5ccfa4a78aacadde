// The client of Bee's authors against a node that serves Bee's API. Run by `medium/tests/bee`, which starts the node
// and says in BEE_API where it is.
//
// References are compared twice: with those recorded in Bee's own tests, and with what the client computes offline.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { Bee, BeeResponseError, Identifier, MantarayNode, MerkleTree, PrivateKey, Topic } from "@ethersphere/bee-js";

const api = process.env.BEE_API;
const bee = new Bee(api);
const signer = new PrivateKey("634fb5a872396d9693e5c9f9d7233cfa93f395c093371017ff44aa9ae6564cdd");
const owner = signer.publicKey().address();

/** A batch that everything is written with; bought by the first test. */
let batch;

before(async () => {
  batch = await bee.createPostageBatch("500000000", 22, { label: "conformance" });
});

/** The bytes that Bee's tests use: i mod 255. */
const counted = (length) => Uint8Array.from({ length }, (_, at) => at % 255);

/** Bytes that follow from a name, like none other. */
function bytes(name, length) {
  const pieces = [];
  for (let at = 0; at * 32 < length; at++) {
    pieces.push(createHash("sha256").update(`${name} ${at}`).digest());
  }
  return new Uint8Array(Buffer.concat(pieces).subarray(0, length));
}

/** Expects a request to be refused with this status, and a message that says why. */
async function refused(status, request, message) {
  await assert.rejects(request, (error) => {
    assert.ok(error instanceof BeeResponseError, String(error));
    assert.equal(error.status, status, error.message);
    if (message) assert.match(error.message, message);
    return true;
  });
}

/** A request without the client, where it checks too much beforehand. */
const plain = (path, options) => fetch(`${api}${path}`, { redirect: "manual", ...options });

describe("the node", () => {
  test("says that it is a Bee", async () => {
    assert.equal(await (await plain("/")).text(), "Ethereum Swarm Bee\n");
    assert.ok(await bee.isConnected());
    assert.ok(await bee.isSupportedApiVersion());
    assert.equal((await bee.getHealth()).status, "ok");
    assert.equal((await bee.getReadiness()).status, "ready");
    assert.equal((await bee.getNodeInfo()).beeMode, "full");
    assert.equal((await (await plain("/v1/health")).json()).status, "ok");
  });

  test("sells batches and lists them", async () => {
    const found = (await bee.getPostageBatches()).find((each) => each.batchID.equals(batch));
    assert.ok(found.usable);
    assert.equal(found.depth, 22);
    assert.equal(found.label, "conformance");
    const alone = await bee.getPostageBatch(batch);
    assert.ok(alone.duration.toDays() >= 1);
    await refused(404, bee.getPostageBatch("ab".repeat(32)), /issuer/);
    const cheap = await plain("/stamps/1000/22", { method: "POST" });
    assert.equal(cheap.status, 400);
    const shallow = await plain("/stamps/500000000/16", { method: "POST" });
    assert.equal(shallow.status, 400);
    assert.match((await shallow.json()).message, /invalid depth/);
  });
});

describe("/bytes", () => {
  const recorded = [
    [new Uint8Array(0), "b34ca8c22b9e982354f9c7f50b470d66db428d880c8a904d5fe4ec9713171526"],
    ["hello world", "92672a471f4419b255d7cb0cf313474a6f5856fb347c5ece85fb706d644b630f"],
    ["foo", "2387e8e7d8a48c2a9339c97c1dc3461a9a7aa07e994c5cb8b38fd7c1b3e6ea48"],
    [counted(31), "ece86edb20669cc60d142789d464d57bdf5e33cb789d443f608cbd81cfa5697d"],
    [counted(4096), "c10090961e7682a10890c334d759a28426647141213abda93b096b892824d2ef"],
    [counted(4127), "91699c83ed93a1f87e326a29ccd8cc775323f9e7260035a5f014c975c5f3cd28"],
    [counted(8192), "29a5fb121ce96194ba8b7b823a1f9c6af87e1791f824940a53b5a7efe3f790d9"],
    [counted(4096 * 128), "3047d841077898c26bbe6be652a2ec590a5d9bd7cd45d290ea42511b48753c09"],
    [counted(4096 * 128 + 31), "e5c76afa931e33ac94bce2e754b1bb6407d07f738f67856783d93934ca8fc576"],
    [counted(4096 * 129), "b8e1804e37a064d28d161ab5f256cc482b1423d5cd0a6b30fde7b0f51ece9199"],
    [counted(4096 * 130), "59de730bf6c67a941f3b2ffa2f920acfaa1713695ad5deea12b4a121e5f23fa1"],
  ];

  test("has the references of Bee's tests, and gives the contents back", async () => {
    for (const [contents, reference] of recorded) {
      const uploaded = await bee.uploadData(batch, contents);
      assert.equal(uploaded.reference.toHex(), reference);
      const back = await bee.downloadData(reference);
      const expected = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
      assert.deepEqual(back.toUint8Array(), expected);
      assert.equal((await bee.probeData(reference)).contentLength, expected.length);
    }
  });

  test("has the references that the client computes", async () => {
    for (const length of [1, 4095, 4097, 300_000, 1_500_000]) {
      const contents = bytes("offline", length);
      const root = await MerkleTree.root(contents);
      const uploaded = await bee.uploadData(batch, contents);
      assert.equal(uploaded.reference.toHex(), Buffer.from(root.hash()).toString("hex"), `${length} bytes`);
    }
  });

  test("streams and gives ranges", async () => {
    const contents = bytes("ranges", 3_000_000);
    const { reference } = await bee.uploadData(batch, contents);
    const pieces = [];
    for await (const piece of await bee.downloadReadableData(reference)) pieces.push(piece);
    assert.deepEqual(new Uint8Array(Buffer.concat(pieces)), contents);
    for (const [range, from, until] of [
      ["bytes=0-0", 0, 1],
      ["bytes=4090-4100", 4090, 4101],
      ["bytes=524280-1048600", 524_280, 1_048_601],
      ["bytes=2999999-", 2_999_999, 3_000_000],
      ["bytes=-5", 2_999_995, 3_000_000],
    ]) {
      const answer = await plain(`/bytes/${reference}`, { headers: { range } });
      assert.equal(answer.status, 206);
      assert.equal(answer.headers.get("content-range"), `bytes ${from}-${until - 1}/3000000`);
      assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), contents.subarray(from, until));
    }
    const beyond = await plain(`/bytes/${reference}`, { headers: { range: "bytes=3000000-" } });
    assert.equal(beyond.status, 416);
    const known = await plain(`/bytes/${reference}`, { headers: { "if-none-match": `"${reference}"` } });
    assert.equal(known.status, 304);
  });

  test("encrypts", async () => {
    const contents = bytes("encrypted", 700_000);
    const { reference } = await bee.uploadData(batch, contents, { encrypt: true });
    assert.equal(reference.toHex().length, 128);
    assert.deepEqual((await bee.downloadData(reference)).toUint8Array(), contents);
    const range = await plain(`/bytes/${reference}`, { headers: { range: "bytes=262140-262150" } });
    assert.deepEqual(new Uint8Array(await range.arrayBuffer()), contents.subarray(262_140, 262_151));
    // What is stored says nothing of what is in it.
    const chunk = await bee.downloadChunk(reference.toHex().slice(0, 64));
    assert.equal(chunk.length, 4104);
  });
});

describe("/bzz", () => {
  test("files have the references of Bee's tests", async () => {
    for (const [name, contentType, reference] of [
      ["simple_file.txt", "text/html; charset=utf-8", "65148cd89b58e91616773f5acea433f7b5a6274f2259e25f4893a332b74a7e28"],
      ["my-pictures.jpeg", "image/jpeg; charset=utf-8", "4f9146b3813ccbd7ce45a18be23763d7e436ab7a3982ef39961c6f3cd4da1dcf"],
    ]) {
      const uploaded = await bee.uploadFile(batch, "this is a simple text", name, { contentType });
      assert.equal(uploaded.reference.toHex(), reference);
      for (const path of ["", name]) {
        const file = await bee.downloadFile(reference, path);
        assert.equal(file.name, name);
        assert.equal(file.contentType, contentType);
        assert.equal(file.data.toUtf8(), "this is a simple text");
      }
      const head = await plain(`/bzz/${reference}/${name}`, { method: "HEAD" });
      assert.equal(head.headers.get("content-length"), "21");
      assert.equal(head.headers.get("content-disposition"), `inline; filename="${name}"`);
    }
  });

  const html = new File(["<h1>Swarm"], "index.html");
  const missing = new File(["<h2>404"], "error.html");

  test("collections have the references of Bee's tests", async () => {
    for (const [files, options, reference] of [
      [[html], {}, "9e178dbd1ed4b748379e25144e28dfb29c07a4b5114896ef454480115a56b237"],
      [[html], { indexDocument: "index.html" }, "a58484e3d77bbdb40323ddc9020c6e96e5eb5deb52015d3e0f63cce629ac1aa6"],
      [
        [html, missing],
        { indexDocument: "index.html", errorDocument: "error.html" },
        "2cd9a6ac11eefbb71b372fb97c3ef64109c409955964a294fdc183c1014b3844",
      ],
    ]) {
      const uploaded = await bee.uploadFiles(batch, files, options);
      assert.equal(uploaded.reference.toHex(), reference);
    }
    const nested = [{ path: "dir/index.html", size: 9, file: html }];
    const uploaded = await bee.uploadCollection(batch, nested, { indexDocument: "index.html" });
    assert.equal(uploaded.reference.toHex(), "3e2f008a578c435efa7a1fce146e21c4ae8c20b80fbb4c4e0c1c87ca08fef414");
    const images = [
      { path: "robots.txt", size: 11, file: new File(["robots text"], "robots.txt") },
      { path: "img/1.png", size: 7, file: new File(["image 1"], "1.png") },
      { path: "img/2.png", size: 7, file: new File(["image 2"], "2.png") },
    ];
    const site = await bee.uploadCollection(batch, images);
    assert.equal(site.reference.toHex(), "4c9c76d63856102e54092c38a7cd227d769752d768b7adc8c3542e3dd9fcf295");
  });

  test("a form is a collection", async () => {
    const form = new FormData();
    form.append("file1", new Blob(["first file data"], { type: "" }), "file1");
    form.append("file2", new Blob(["second file data"], { type: "" }), "file2");
    const headers = { "swarm-postage-batch-id": batch.toHex() };
    const answer = await plain("/bzz", { method: "POST", headers, body: form });
    assert.equal(answer.status, 201);
    const { reference } = await answer.json();
    assert.equal(answer.headers.get("etag"), `"${reference}"`);
    assert.equal((await bee.downloadFile(reference, "file2")).data.toUtf8(), "second file data");
  });

  test("a site shows its index, its folders and its error page", async () => {
    const files = [
      { path: "index.html", size: 9, file: html },
      { path: "error.html", size: 7, file: missing },
      { path: "sub/index.html", size: 9, file: html },
      { path: "sub/deep/file.txt", size: 9, file: html },
    ];
    const options = { indexDocument: "index.html", errorDocument: "error.html" };
    const { reference } = await bee.uploadCollection(batch, files, options);
    const moved = await plain(`/bzz/${reference}`);
    assert.equal(moved.status, 308);
    assert.equal(moved.headers.get("location"), `/bzz/${reference}/`);
    const folder = await plain(`/v1/bzz/${reference}/sub?a=b`);
    assert.equal(folder.status, 308);
    assert.equal(folder.headers.get("location"), `/v1/bzz/${reference}/sub/?a=b`);
    for (const [path, text] of [
      ["", "<h1>Swarm"],
      ["sub/", "<h1>Swarm"],
      ["sub///", "<h1>Swarm"],
      ["sub/deep/file.txt", "<h1>Swarm"],
      ["nowhere", "<h2>404"],
      ["sub/nowhere/at/all", "<h2>404"],
    ]) {
      const answer = await plain(`/bzz/${reference}/${path}`);
      assert.equal(await answer.text(), text, path);
      assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    }
  });

  test("a directory has the reference that the client computes", async () => {
    const dir = await mkdtemp(join(tmpdir(), "bee-js-"));
    try {
      await mkdir(join(dir, "sub", "with a rather long name of more than thirty bytes"), { recursive: true });
      // Only types that client and server take for the same: the client's table says no charset of most text.
      const paths = ["page.html", "a.png", "sub/b.json", "sub/with a rather long name of more than thirty bytes/c.png"];
      for (const path of paths) await writeFile(join(dir, path), bytes(path, 10_000));
      const expected = await bee.hashDirectory(dir);
      const uploaded = await bee.uploadFilesFromDirectory(batch, dir);
      assert.equal(uploaded.reference.toHex(), expected.toHex());
      // Chunk by chunk, as the client streams them.
      const streamed = await bee.streamDirectory(batch, dir);
      assert.equal(streamed.reference.toHex(), expected.toHex());
      const manifest = await MantarayNode.unmarshal(bee, expected);
      await manifest.loadRecursively(bee);
      assert.deepEqual(manifest.collect().map((node) => node.fullPathString).sort(), [...paths].sort());
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  test("an encrypted collection is read by its whole reference only", async () => {
    const { reference } = await bee.uploadFiles(batch, [html, missing], { encrypt: true, indexDocument: "index.html" });
    assert.equal(reference.toHex().length, 128);
    assert.equal((await bee.downloadFile(reference, "error.html")).data.toUtf8(), "<h2>404");
    assert.equal((await bee.downloadFile(reference)).data.toUtf8(), "<h1>Swarm");
    await refused(404, bee.downloadFile(reference.toHex().slice(0, 64), "error.html"));
  });
});

describe("chunks", () => {
  test("content-addressed chunks are as they were", async () => {
    const chunk = bee.makeContentAddressedChunk(bytes("chunk", 1234));
    const { reference } = await bee.uploadChunk(batch, chunk);
    assert.equal(reference.toHex(), chunk.address.toHex());
    assert.deepEqual(await bee.downloadChunk(reference), chunk.data);
    assert.equal((await plain(`/chunks/${reference}`, { method: "HEAD" })).status, 200);
    assert.equal((await plain(`/chunks/${"ab".repeat(32)}`, { method: "HEAD" })).status, 404);
    await refused(404, bee.downloadChunk("ab".repeat(32)));
  });

  test("single-owner chunks are their owner's", async () => {
    const id = new Identifier(bytes("id", 32));
    const payload = bytes("single owner", 500);
    const { reference } = await bee.makeSOCWriter(signer).upload(batch, id, payload);
    const expected = bee.calculateSingleOwnerChunkAddress(id, owner);
    assert.equal(reference.toHex(), expected.toHex());
    const chunk = await bee.makeSOCReader(owner).download(id);
    assert.deepEqual(chunk.payload.toUint8Array(), payload);
    const direct = await plain(`/soc/${owner.toHex()}/${id.toHex()}`);
    assert.deepEqual(new Uint8Array(await direct.arrayBuffer()), payload);
    assert.equal(direct.headers.get("swarm-soc-signature"), chunk.signature.toHex());
    // Signed by another than the path says.
    const headers = { "swarm-postage-batch-id": batch.toHex() };
    const path = `/soc/${"cd".repeat(20)}/${id.toHex()}?sig=${chunk.signature.toHex()}`;
    const body = bee.makeContentAddressedChunk(payload).data;
    assert.equal((await plain(path, { method: "POST", headers, body })).status, 401);
  });

  test("the chunk of Bee's test has its address and signature", async () => {
    const path =
      `/soc/8d3766440f0d7b949a5e32995d09619a7f86e632/${"00".repeat(32)}` +
      "?sig=5acd384febc133b7b245e5ddc62d82d2cded9182d2716126cd8844509af65a05" +
      "3deb418208027f548e3e88343af6f84a8772fb3cebc0a1833a0ea7ec0c1348311b";
    const headers = { "swarm-postage-batch-id": batch.toHex() };
    const body = bee.makeContentAddressedChunk(new TextEncoder().encode("foo")).data;
    const answer = await plain(path, { method: "POST", headers, body });
    assert.equal(answer.status, 201);
    const { reference } = await answer.json();
    assert.equal(reference, "9d453ebb73b2fedaaf44ceddcf7a0aa37f3e3d6453fea5841c31f0ea6d61dc85");
  });
});

describe("feeds", () => {
  test("are written and read, the latest and each", async () => {
    const topic = Topic.fromString("payloads");
    const writer = bee.makeFeedWriter(topic, signer);
    const reader = bee.makeFeedReader(topic, owner);
    await refused(404, reader.downloadPayload());
    for (let at = 0; at < 12; at++) {
      await writer.uploadPayload(batch, `update ${at}`);
      const latest = await reader.downloadPayload();
      assert.equal(latest.payload.toUtf8(), `update ${at}`);
      assert.equal(latest.feedIndex.toBigInt(), BigInt(at));
      assert.equal(latest.feedIndexNext.toBigInt(), BigInt(at + 1));
    }
    const fourth = await reader.downloadPayload({ index: 3 });
    assert.equal(fourth.payload.toUtf8(), "update 3");
    const after = await plain(`/feeds/${owner.toHex()}/${topic.toHex()}?after=11`);
    assert.equal(after.headers.get("swarm-feed-index"), "000000000000000b");
    assert.equal(after.headers.get("swarm-feed-resolved-version"), "v2");
    assert.equal((await plain(`/feeds/${owner.toHex()}/${topic.toHex()}?after=12`)).status, 404);
    assert.ok(await bee.isFeedRetrievable(owner, topic));
  });

  test("an update longer than a chunk is a tree", async () => {
    const topic = Topic.fromString("long payloads");
    const contents = bytes("long payload", 100_000);
    await bee.makeFeedWriter(topic, signer).uploadPayload(batch, contents);
    const latest = await bee.makeFeedReader(topic, owner).downloadPayload();
    assert.deepEqual(latest.payload.toUint8Array(), contents);
  });

  test("a manifest follows a feed of references", async () => {
    const topic = Topic.fromString("site");
    const manifest = await bee.createFeedManifest(batch, topic, owner);
    await refused(404, bee.downloadFile(manifest));
    const writer = bee.makeFeedWriter(topic, signer);
    for (const text of ["one", "two"]) {
      const { reference } = await bee.uploadFile(batch, text, "page.txt", { contentType: "text/plain" });
      await writer.uploadReference(batch, reference);
      assert.equal((await bee.downloadFile(manifest)).data.toUtf8(), text);
      const latest = await bee.makeFeedReader(topic, owner).downloadReference();
      assert.equal(latest.reference.toHex(), reference.toHex());
    }
    const answer = await plain(`/bzz/${manifest}/page.txt`);
    assert.equal(answer.headers.get("swarm-feed-index"), "0000000000000001");
    assert.equal(answer.headers.get("swarm-feed-resolved-version"), "v1");
  });

  test("the manifest of Bee's test has its reference", async () => {
    const headers = { "swarm-postage-batch-id": batch.toHex() };
    const path = "/feeds/8d3766440f0d7b949a5e32995d09619a7f86e632/aabbcc";
    const answer = await plain(path, { method: "POST", headers });
    assert.equal(answer.status, 201);
    const { reference } = await answer.json();
    assert.equal(reference, "891a1d1c8436c792d02fc2e8883fef7ab387eaeaacd25aa9f518be7be7856d54");
  });

  test("an update as it was at a time", async () => {
    const topic = Topic.fromString("times");
    const writer = bee.makeFeedWriter(topic, signer);
    for (const at of [1000, 2000, 3000]) {
      const { reference } = await bee.uploadData(batch, `at ${at}`);
      await writer.uploadReference(batch, reference, { at });
    }
    const asked = async (at) => plain(`/feeds/${owner.toHex()}/${topic.toHex()}?at=${at}`);
    assert.equal(await (await asked(2500)).text(), "at 2000");
    assert.equal(await (await asked(1000)).text(), "at 1000");
    assert.equal(await (await asked(9999)).text(), "at 3000");
    assert.equal((await asked(999)).status, 404);
  });
});

describe("pins, tags and stewardship", () => {
  test("what is pinned is listed until it is not", async () => {
    const { reference } = await bee.uploadData(batch, bytes("pinned", 5000), { pin: true });
    const other = (await bee.uploadFiles(batch, [new File(["x"], "x.txt")])).reference;
    const listed = async () => (await bee.getAllPins()).map((pin) => pin.toHex());
    assert.ok((await listed()).includes(reference.toHex()));
    await bee.pin(other);
    assert.equal((await plain(`/pins/${other}`, { method: "POST" })).status, 200);
    assert.equal((await bee.getPin(other)).reference.toHex(), other.toHex());
    await bee.unpin(other);
    await refused(404, bee.getPin(other));
    await refused(404, bee.unpin(other));
    await refused(404, bee.pin("ab".repeat(32)));
  });

  test("a tag counts its upload", async () => {
    const tag = await bee.createTag();
    const { reference, tagUid } = await bee.uploadData(batch, bytes("tagged", 10_000), { tag: tag.uid });
    assert.equal(tagUid, tag.uid);
    const counted = await bee.retrieveTag(tag);
    assert.equal(counted.split, 4);
    assert.equal(counted.synced + counted.seen, 4);
    assert.equal(counted.address, reference.toHex());
    assert.ok((await bee.getAllTags()).some((each) => each.uid === tag.uid));
    await bee.updateTag(tag, reference);
    const body = JSON.stringify({ address: "cd".repeat(32) });
    assert.equal((await plain(`/tags/${tag.uid}`, { method: "PATCH", body })).status, 200);
    assert.equal((await bee.retrieveTag(tag)).address, "cd".repeat(32));
    await bee.deleteTag(tag);
    await refused(404, bee.retrieveTag(tag));
    await refused(404, bee.uploadData(batch, "x", { tag: tag.uid }), /tag not found/);
  });

  test("what is here is retrievable", async () => {
    const { reference } = await bee.uploadFiles(batch, [new File([bytes("kept", 9000)], "x.bin")]);
    assert.ok(await bee.isReferenceRetrievable(reference));
    assert.ok(!(await bee.isReferenceRetrievable("ab".repeat(32))));
  });
});

describe("refusals", () => {
  test("of batches", async () => {
    await refused(404, bee.uploadData("ab".repeat(32), "x"), /batch with id not found/);
    const none = await plain("/bytes", { method: "POST", body: "x" });
    assert.equal(none.status, 400);
    const said = await none.json();
    assert.equal(said.code, 400);
    assert.equal(said.reasons[0].field, "swarm-postage-batch-id");
    const short = { "swarm-postage-batch-id": "abcd" };
    const answer = await plain("/bytes", { method: "POST", body: "x", headers: short });
    assert.match((await answer.json()).message, /invalid batch id/);
  });

  test("of redundancy, which is none by default", async () => {
    await refused(400, bee.uploadData(batch, "x", { redundancyLevel: 2 }), /redundancy level 2/);
    const headers = { "swarm-postage-batch-id": batch.toHex() };
    const answer = await plain("/bytes", { method: "POST", body: "x", headers });
    assert.equal(answer.headers.get("swarm-redundancy-level"), "0");
  });

  test("of what is not there", async () => {
    await refused(404, bee.downloadData("ab".repeat(32)));
    const { reference } = await bee.uploadData(batch, "no manifest");
    await refused(404, bee.downloadFile(reference, "x"));
    const { reference: file } = await bee.uploadFile(batch, "x", "x.txt");
    await refused(404, bee.downloadFile(file, "y.txt"));
  });
});
