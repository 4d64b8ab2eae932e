// The end of a query with a bound on its rows.

/** A bare parameter after LIMIT has SQLite plan the query anew at each call, which costs more than carrying it out. */
export const limited = "LIMIT 0 + ?";
