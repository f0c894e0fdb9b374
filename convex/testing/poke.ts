// A poke as its node judges it.
import { nodeKey, purposeKey, verify, type SignatureVerdict } from "../model/edge/signing";
import { MASTER } from "./node";

export async function judgePoke(url: string, init: RequestInit, node: string): Promise<SignatureVerdict> {
  const headers = new Headers(init.headers);
  const header = (name: string): string => headers.get(`x-edge-${name}`) ?? "";
  const { origin, pathname } = new URL(url);
  if (origin !== `https://${node}.edge.test` || header("node") !== node || init.body !== undefined) {
    return "signature";
  }
  const key = await purposeKey(await nodeKey(MASTER, node, Number(header("key-version"))), "poke");
  const request = {
    method: init.method ?? "GET",
    path: pathname,
    timestamp: header("timestamp"),
    nonce: header("nonce"),
    body: new Uint8Array(),
  };
  return await verify(key, request, header("signature"), Date.now());
}
