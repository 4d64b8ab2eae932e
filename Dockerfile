# One image for every service of the relay; the service is the container's command: cache, api or consumer.
FROM node:24-slim AS libraries
WORKDIR /relay
COPY package.json package-lock.json ./
# The base image brings Node, so the pinned one among the optional packages is left out.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24-slim
WORKDIR /relay
ENV NODE_ENV=production
COPY --from=libraries /relay/node_modules node_modules
COPY package.json ./
COPY src src
RUN mkdir -p /data /run/payrelay && chown node:node /data /run/payrelay
USER node
ENV DATA_DIR=/data
ENTRYPOINT ["node", "src/main.ts"]
CMD ["cache"]
