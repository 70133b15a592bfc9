/**
 * The archive's tables, as numbered migrations. A file of a newer schema is never touched.
 */
import type { DatabaseSync } from 'node:sqlite'

const MIGRATIONS: readonly string[] = [
  `CREATE TABLE events (
     id INTEGER PRIMARY KEY,
     journal_id TEXT NOT NULL,
     seq INTEGER NOT NULL,
     at_ms INTEGER NOT NULL,
     kind TEXT NOT NULL,
     module TEXT,
     run_id TEXT,
     data TEXT NOT NULL,
     UNIQUE (journal_id, seq)
   ) STRICT;
   CREATE INDEX events_by_module ON events (module, id);
   CREATE INDEX events_by_run ON events (run_id) WHERE run_id IS NOT NULL;
   CREATE INDEX events_by_time ON events (at_ms);
   CREATE TABLE dossiers (
     id INTEGER PRIMARY KEY,
     module TEXT NOT NULL,
     fingerprint TEXT NOT NULL,
     first_at_ms INTEGER NOT NULL,
     last_at_ms INTEGER NOT NULL,
     count INTEGER NOT NULL,
     exception_type TEXT,
     message TEXT,
     root_cause TEXT,
     frame_file TEXT,
     frame_line INTEGER,
     frame_function TEXT,
     traceback TEXT,
     lines TEXT NOT NULL,
     resources TEXT,
     heartbeat TEXT,
     UNIQUE (module, fingerprint)
   ) STRICT;
   CREATE TABLE exits (
     run_id TEXT PRIMARY KEY,
     module TEXT NOT NULL,
     at_ms INTEGER NOT NULL,
     known INTEGER NOT NULL,
     code INTEGER,
     signal TEXT,
     core INTEGER,
     oom INTEGER,
     evidence TEXT NOT NULL,
     asked INTEGER NOT NULL,
     uptime_s REAL,
     reason TEXT NOT NULL,
     fingerprint TEXT,
     dossier_id INTEGER REFERENCES dossiers (id)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX exits_by_module ON exits (module, at_ms);
   CREATE INDEX exits_by_dossier ON exits (dossier_id);
   CREATE TABLE cursor (
     one INTEGER PRIMARY KEY CHECK (one = 1),
     journal_id TEXT NOT NULL,
     seq INTEGER NOT NULL
   ) STRICT;`,
  `CREATE TABLE job_rows (
     run_id TEXT PRIMARY KEY,
     job TEXT NOT NULL,
     nominal_ms INTEGER,
     planned_ms INTEGER NOT NULL,
     trigger TEXT NOT NULL,
     outcome TEXT NOT NULL,
     rev INTEGER NOT NULL,
     told_ms INTEGER NOT NULL,
     ended INTEGER NOT NULL,
     row TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE UNIQUE INDEX job_rows_by_instant ON job_rows (job, nominal_ms)
     WHERE trigger IN ('schedule', 'catch_up') AND nominal_ms IS NOT NULL;
   CREATE INDEX job_rows_by_job ON job_rows (job, planned_ms);
   CREATE INDEX job_rows_ended ON job_rows (told_ms) WHERE ended = 1;`,
]

export class SchemaNewer extends Error {
  override readonly name = 'SchemaNewer'
}

/** Brings the file to this version's schema. Throws SchemaNewer, having changed nothing. */
export function migrate(db: DatabaseSync): void {
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version > MIGRATIONS.length) {
    throw new SchemaNewer(
      `the archive has schema ${version}, this version of MARK knows ${MIGRATIONS.length}`,
    )
  }
  for (let index = version; index < MIGRATIONS.length; index++) {
    db.exec('BEGIN IMMEDIATE')
    try {
      db.exec(MIGRATIONS[index] as string)
      db.exec(`PRAGMA user_version = ${index + 1}`)
      db.exec('COMMIT')
    } catch (error) {
      db.exec('ROLLBACK')
      throw error
    }
  }
}
