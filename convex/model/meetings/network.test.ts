// Networks a meeting may be joined from.
import { expect, test } from "vitest";
import { inNetworks, isNetwork } from "./network";

test.each([
  ["10.1.2.3", ["10.0.0.0/8"], true],
  ["11.1.2.3", ["10.0.0.0/8"], false],
  ["192.168.1.130", ["192.168.1.128/25"], true],
  ["192.168.1.127", ["192.168.1.128/25"], false],
  ["196.220.1.9", ["10.0.0.0/8", "196.220.1.9"], true],
  ["::ffff:10.9.9.9", ["10.0.0.0/8"], true],
  ["2001:db8:1::5", ["2001:db8::/32"], true],
  ["2001:db9::5", ["2001:db8::/32"], false],
  ["2001:db8::1", ["10.0.0.0/8"], false],
  ["10.1.2.3", ["0.0.0.0/0"], true],
  ["no address", ["0.0.0.0/0"], false],
  ["10.1.2.3", ["rubbish"], false],
  ["10.1.2.3", [], false],
  [null, ["0.0.0.0/0"], false],
])("%s in %j is %s", (address, networks, expected) => {
  expect(inNetworks(address, networks)).toBe(expected);
});

test.each([
  ["10.0.0.0/8", true],
  ["10.0.0.0/33", false],
  ["10.0.0/8", false],
  ["010.0.0.1", false],
  ["::/0", true],
  ["1::2::3", false],
  ["1:2:3:4:5:6:7", false],
  ["1:2:3:4:5:6:7:8:9", false],
  ["fe80::1%eth0", true],
  ["64:ff9b::10.1.2.3", true],
  ["", false],
])("%s is a network: %s", (network, expected) => {
  expect(isNetwork(network)).toBe(expected);
});
