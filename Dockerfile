# One image for every service; which one is the container's command: cache, api, consumer or processor.
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
RUN mkdir -p /data /run/payrelay compiled && chown node:node /data /run/payrelay compiled
USER node
# Compiled by the user, and with the flags, that run it: without, each process would load a TypeScript stripper of 14 MB.
ENV NODE_COMPILE_CACHE=/relay/compiled
RUN node --single-threaded --no-turbofan --expose-gc --max-semi-space-size=4 src/precompile.ts \
	&& node --single-threaded --no-turbofan --expose-gc --max-semi-space-size=4 src/main.ts --help > /dev/null
ENV DATA_DIR=/data
# A part of a CPU is soon used up, by helper threads as by the slower of the two optimising compilers, and the process then
# stands still for the rest of the scheduler's period.
ENTRYPOINT ["node", "--single-threaded", "--no-turbofan", "--expose-gc", "--max-semi-space-size=4", "src/main.ts"]
CMD ["cache"]
