// A process that opens a store and is killed before anybody asks anything of it.
import { openSqliteRows } from "../../src/cache/store/sqlite/rows.ts";

await openSqliteRows(process.argv[2] as string);
process.kill(process.pid, "SIGKILL");
