-- min_compatible: 1
-- What lasts. Times are nanoseconds since 1970. `spec` and `status` are json and not jsonb: they are given back as they
-- were written, and what jsonb cannot hold (a zero character) is kept.

-- One row. Who writes locks it until the commit, so that revisions are given in the order of commits.
CREATE TABLE taskmesh.store (
  only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  id        uuid   NOT NULL DEFAULT gen_random_uuid(),
  epoch     text   NOT NULL DEFAULT '',  -- which life of the database the revisions belong to; '': none was seen yet
  revision  bigint NOT NULL DEFAULT 0,   -- of the last write
  forgotten bigint NOT NULL DEFAULT 0    -- deletions up to here are not remembered
);
INSERT INTO taskmesh.store DEFAULT VALUES;

CREATE TABLE taskmesh.resources (
  kind       text COLLATE "C" NOT NULL,
  mesh       text COLLATE "C" NOT NULL,
  name       text COLLATE "C" NOT NULL,
  revision   bigint NOT NULL,
  created    bigint NOT NULL,
  modified   bigint NOT NULL,
  labels     jsonb  NOT NULL,
  owner_kind text COLLATE "C",
  owner_mesh text COLLATE "C",
  owner_name text COLLATE "C",
  spec       json,
  status     json,
  PRIMARY KEY (kind, mesh, name)
);
CREATE UNIQUE INDEX resources_revision ON taskmesh.resources (revision);
CREATE INDEX resources_owner ON taskmesh.resources (owner_kind, owner_mesh, owner_name);
CREATE INDEX resources_labels ON taskmesh.resources USING gin (labels jsonb_path_ops);

-- What a reader of changes could not see otherwise. The oldest are dropped.
CREATE TABLE taskmesh.deletions (
  revision bigint PRIMARY KEY,
  kind     text COLLATE "C" NOT NULL,
  mesh     text COLLATE "C" NOT NULL,
  name     text COLLATE "C" NOT NULL
);

-- Who may do what only one control plane at a time may do. `token` grows with each new holder.
CREATE TABLE taskmesh.leases (
  name    text COLLATE "C" PRIMARY KEY,
  holder  text        NOT NULL,
  token   bigint      NOT NULL,
  expires timestamptz NOT NULL
);
