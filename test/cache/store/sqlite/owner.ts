// A process that owns a store's folder and says so, until it is ended from outside.
import { openSqliteRows } from "../../../../src/cache/store/sqlite/rows.ts";

const [folder] = process.argv.slice(2);
await openSqliteRows(folder as string);
process.stdout.write("open\n");
setInterval(() => {}, 60_000);
