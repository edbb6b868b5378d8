import { describe, expect, it } from "@jest/globals";
import { HandshakeQueue } from "../../../../../../control-plane/adapters/websocket/handshake/handshake-queue.ts";
import { UnprovenSockets } from "../../../../../../control-plane/adapters/websocket/handshake/unproven-sockets.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("HandshakeQueue", () => {
  it("gives each address its turn after the other, however many one of them has waiting", async () => {
    const queue = new HandshakeQueue();
    const order: string[] = [];
    const ends: (() => void)[] = [];
    const dial = (address: string): boolean =>
      queue.add(address, () => {
        order.push(address);
        return new Promise((resolve) => ends.push(resolve));
      });
    for (let index = 0; index < 1_000; index += 1) expect(dial("bad")).toBe(true);
    dial("good");
    dial("other");
    expect(new Set(order)).toEqual(new Set(["bad"]));
    const before = order.length;
    for (const end of ends.splice(0, 3)) end();
    await settle();
    expect(order.slice(before)).toEqual(["bad", "good", "other"]);
  });

  it("refuses an address that has too many waiting, and no other", () => {
    const queue = new HandshakeQueue();
    const never = (): Promise<void> => new Promise(() => undefined);
    const taken = Array.from({ length: 5_000 }, () => queue.add("bad", never));
    expect(taken.at(-1)).toBe(false);
    expect(queue.add("good", never)).toBe(true);
  });

  it("ends the handshakes that it has begun, in their order, before it begins others of their address", async () => {
    const queue = new HandshakeQueue();
    const order: string[] = [];
    const ends: (() => void)[] = [];
    const work = (name: string) => (): Promise<void> => {
      order.push(name);
      return new Promise((resolve) => ends.push(resolve));
    };
    for (let index = 0; index < 30; index += 1) queue.add("site", work(`begin ${index}`));
    void queue.run("site", work("open 0"));
    void queue.run("site", work("open 1"));
    const before = order.length;
    for (const end of ends.splice(0, 3)) end();
    await settle();
    expect(order.slice(before)).toEqual(["open 0", "open 1", `begin ${before}`]);
  });

  it("gives a dial with an earlier place its turn before others of its address, and after what has begun", async () => {
    const queue = new HandshakeQueue();
    const order: string[] = [];
    const ends: (() => void)[] = [];
    const work = (name: string) => (): Promise<void> => {
      order.push(name);
      return new Promise((resolve) => ends.push(resolve));
    };
    for (let index = 0; index < 30; index += 1) queue.add("site", work(`begin ${index}`), 100 + index);
    const before = order.length;
    void queue.run("site", work("open"));
    queue.add("site", work("again"), 7);
    for (const end of ends.splice(0, 3)) end();
    await settle();
    expect(order.slice(before)).toEqual(["open", "again", `begin ${before}`]);
  });

  it("goes on after work that failed, and tells its caller", async () => {
    const queue = new HandshakeQueue();
    await expect(queue.run("a", () => Promise.reject(new Error("down")))).rejects.toThrow("down");
    await expect(queue.run("a", () => Promise.resolve(7))).resolves.toBe(7);
  });
});

describe("UnprovenSockets", () => {
  const setUp = (): { add: (address: string, node: string, name: string) => () => void; ended: string[] } => {
    const sockets = new UnprovenSockets();
    const ended: string[] = [];
    return { ended, add: (address, node, name) => sockets.add(address, node, () => ended.push(name)) };
  };

  it("ends the oldest of a node id at the same address, and leaves the same id at another address alone", () => {
    const { add, ended } = setUp();
    add("site", "n-1", "real");
    for (let index = 0; index < 60; index += 1) add("bad", "n-1", `bad-${index}`);
    expect(ended).toHaveLength(54);
    expect(ended[0]).toBe("bad-0");
    expect(ended).not.toContain("real");
  });

  it("ends the oldest of an address that has too many, and that of the largest when all together are too many", () => {
    const { add, ended } = setUp();
    for (let index = 0; index < 1_200; index += 1) add("bad", `n-${index}`, "bad");
    expect(ended).toHaveLength(200);
    for (let address = 0; address < 10; address += 1)
      for (let index = 0; index < 900; index += 1) add(`bad-${address}`, `n-${index}`, `bad-${address}`);
    const before = ended.length;
    add("good", "n-1", "good");
    expect(ended.length).toBe(before + 1);
    expect(ended).not.toContain("good");
  });

  it("forgets a socket that has answered", () => {
    const { add, ended } = setUp();
    for (let index = 0; index < 100; index += 1) add("site", "n-1", "answered")();
    expect(ended).toEqual([]);
  });
});
