// The peer: atlassian-connect-express as its documentation sets it up, with one route that needs a valid token.
// `NODE_ENV=production node server.js PORT STORE`: STORE is `sqlite` (the framework's own store) or `map` (a Map
// in its place, which is faster). The installation comes from PEER_CLIENT_KEY and PEER_SECRET.
"use strict";

const express = require("express");
const ace = require("atlassian-connect-express");

const [port, store] = [Number(process.argv[2]), process.argv[3]];
const clientKey = process.env.PEER_CLIENT_KEY;

const rows = new Map();
ace.store.register("map", () => ({
  get: async (key, client) => rows.get(`${client}:${key}`),
  set: async (key, value, client) => rows.set(`${client}:${key}`, value),
  del: async (key, client) => rows.delete(`${client}:${key}`),
}));

const app = express();
const addon = ace(app, {
  config: {
    product: "confluence",
    production: {
      port,
      localBaseUrl: `http://127.0.0.1:${port}`,
      store: store === "map" ? { adapter: "map" } : { adapter: "sequelize", type: "memory", logging: false },
    },
  },
});

// The framework looks for a token in the body too and refuses requests without a parsed one.
app.use(express.json());
app.use(express.urlencoded({ extended: false }));
app.get("/healthz", (request, response) => response.json({ status: "ok" }));

// The same answer as our own small read gives.
const grant = { view: true, add: true, delete: true };
app.get("/grants/:spaceId", addon.checkValidToken(), (request, response) => {
  const { spaceId } = request.params;
  response.json({ spaceId, questions: grant, votes: grant, tags: grant, reason: null });
});

async function start() {
  const installation = {
    key: "bench-peer",
    clientKey,
    sharedSecret: process.env.PEER_SECRET,
    baseUrl: "https://acme.atlassian.net/wiki",
    productType: "confluence",
  };
  await addon.settings.set("clientInfo", installation, clientKey);
  app.listen(port, "127.0.0.1");
}

start().catch((error) => {
  console.error(error);
  process.exit(1);
});
