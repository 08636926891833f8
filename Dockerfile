# Builds and runs Sealgate. The data directory is a volume: keep a copy of its keyring apart from it.
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# The image's own Node is the right one; the dev dependency `node` need not fetch another.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN ./node_modules/.bin/tsc -p tsconfig.build.json && npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
ENV NODE_ENV=production SEALGATE_LISTEN=0.0.0.0:9000 SEALGATE_DATA_DIR=/data
WORKDIR /app
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 9000
STOPSIGNAL SIGTERM
# Any answer of the S3 face will do: it says that the process listens and answers. Its port is that of SEALGATE_LISTEN.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.SEALGATE_LISTEN.split(':').pop()).then((r) => process.exit(r.status < 500 ? 0 : 1), () => process.exit(1))"]
# Node is process 1: it handles SIGTERM from its first moment on and reaps its workers, so no init is needed.
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["serve"]
