BEGIN TRANSACTION;
CREATE TABLE control (
	id INTEGER NOT NULL, 
	mode TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	owner INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "control" VALUES(1,'run',2,0);
CREATE TABLE edges (
	"after" INTEGER NOT NULL, 
	"before" INTEGER NOT NULL, 
	PRIMARY KEY ("after", "before")
)
 WITHOUT ROWID

;
INSERT INTO "edges" VALUES(2,1);
INSERT INTO "edges" VALUES(3,2);
CREATE TABLE events (
	id INTEGER NOT NULL, 
	at FLOAT NOT NULL, 
	step INTEGER, 
	attempt INTEGER, 
	what TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "events" VALUES(1,1.79583903473151230813e+09,NULL,NULL,'schedule','{"naru_schedule":1}');
INSERT INTO "events" VALUES(2,1.79583903473691320414e+09,NULL,NULL,'schedule','{"naru_schedule":1,"waves":[]}');
CREATE TABLE gates (
	name TEXT NOT NULL, 
	held BOOLEAN NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "gates" VALUES('cutover',1);
CREATE TABLE leases (
	target TEXT NOT NULL, 
	step INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	holder TEXT NOT NULL, 
	fence INTEGER NOT NULL, 
	expires FLOAT NOT NULL, 
	outcome TEXT, 
	PRIMARY KEY (target)
);
CREATE TABLE limits (
	name TEXT NOT NULL, 
	value INTEGER NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "limits" VALUES('default',8);
INSERT INTO "limits" VALUES('nova@new',4);
INSERT INTO "limits" VALUES('네트워크',2);
CREATE TABLE progress (
	step INTEGER NOT NULL, 
	done FLOAT NOT NULL, 
	total FLOAT, 
	unit TEXT NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (step)
);
CREATE TABLE requests (
	id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	at FLOAT NOT NULL, 
	text TEXT NOT NULL, 
	request_id TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE runs (
	id INTEGER NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	started FLOAT NOT NULL, 
	seen FLOAT NOT NULL, 
	eta FLOAT, 
	outcome TEXT, 
	PRIMARY KEY (id)
);
CREATE TABLE schema_version (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "schema_version" VALUES(1);
CREATE TABLE setup (
	plan_id TEXT NOT NULL, 
	title TEXT NOT NULL, 
	modules TEXT NOT NULL, 
	settings TEXT NOT NULL, 
	findings TEXT NOT NULL, 
	created FLOAT NOT NULL, 
	PRIMARY KEY (plan_id)
);
INSERT INTO "setup" VALUES('3d832384-15c1-4056-9ba2-78decc85c5de','An old plan','[]','{"from":"old"}','[{"about":"zone example.org.","detail":"of both clouds","hint":"tell the users","severity":"info","summary":"DNS names stay"}]',1.79583903468345069888e+09);
CREATE TABLE steps (
	n INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	args TEXT NOT NULL, 
	unit TEXT NOT NULL, 
	"limit" TEXT NOT NULL, 
	place TEXT NOT NULL, 
	gate TEXT NOT NULL, 
	title TEXT NOT NULL, 
	estimate FLOAT NOT NULL, 
	undoes INTEGER, 
	state TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	started FLOAT, 
	ended FLOAT, 
	result TEXT, 
	error TEXT, 
	PRIMARY KEY (n), 
	UNIQUE (id)
);
INSERT INTO "steps" VALUES(1,'network','noop','{}','project a','네트워크','','','create network',0.0,NULL,'done',1,1000.0,1002.5,NULL,NULL);
INSERT INTO "steps" VALUES(2,'server','noop','{}','server a','nova@new','','','start server "a"',0.0,NULL,'waiting',0,NULL,NULL,NULL,NULL);
INSERT INTO "steps" VALUES(3,'copy','noop','{}','server a','default','storage','cutover','',0.0,NULL,'waiting',0,NULL,NULL,NULL,NULL);
CREATE INDEX ix_steps_unit ON steps (unit);
CREATE INDEX edges_before ON edges ("before");
CREATE INDEX ix_requests_step ON requests (step);
CREATE INDEX ix_leases_step ON leases (step);
CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
COMMIT;
