// The part of undici that the consumer loads, by its file: the package's own types name it by the package only.
declare module "undici/lib/dispatcher/pool.js" {
	export { Pool as default } from "undici";
}
