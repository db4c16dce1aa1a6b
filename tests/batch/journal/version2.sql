BEGIN TRANSACTION;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "facts" VALUES('holder','process 32381 on vm since 2026-11-21T21:37:23+00:00');
INSERT INTO "facts" VALUES('lasting','1');
INSERT INTO "facts" VALUES('service','{service}');
CREATE TABLE jobs (
        key INTEGER PRIMARY KEY,
        content TEXT NOT NULL,              -- sha256:... of the bytes, or an address
        config TEXT NOT NULL,               -- fingerprint of the configuration
        step TEXT NOT NULL DEFAULT 'found', -- found, uploaded, submitting, submitted, completed, failed
        audio_url TEXT,
        uploaded REAL,                      -- times are Unix seconds
        doubtful_url TEXT,                  -- a submission whose end is not known
        doubtful_since REAL,
        ids TEXT NOT NULL DEFAULT '[]',     -- the service's ids, oldest first
        reason TEXT,
        category TEXT,
        audio_seconds REAL,
        times TEXT NOT NULL DEFAULT '{}',   -- when it came into each state, and when it ended there
        UNIQUE (content, config)
    );
INSERT INTO "jobs" VALUES(1,'url:http://recordings.test/good.mp3?seconds=0.01&duration=2','44136fa355b3678a1146ad16f7e8649e','completed','http://recordings.test/good.mp3?seconds=0.01&duration=2',NULL,NULL,NULL,'["24252e60-a0f5-4812-9036-bf612c95f6c5"]',NULL,NULL,2.0,'{"found":1795297043.434,"waiting":1795297043.446,"submitting":1795297043.446,"processing":1795297043.453,"completed":1795297043.469,"ended":1795297043.465}');
INSERT INTO "jobs" VALUES(2,'url:http://recordings.test/bad.mp3?seconds=0.01&duration=2&error=Transcoding failed','44136fa355b3678a1146ad16f7e8649e','failed','http://recordings.test/bad.mp3?seconds=0.01&duration=2&error=Transcoding failed',NULL,NULL,NULL,'["65cb019a-6166-4ced-8fe5-6eb82bda860e"]','transcript 65cb019a-6166-4ced-8fe5-6eb82bda860e failed (input): Transcoding failed','input',NULL,'{"found":1795297043.434,"waiting":1795297043.446,"submitting":1795297043.446,"processing":1795297043.453,"failed":1795297043.469}');
INSERT INTO "jobs" VALUES(3,'sha256:b44391f206168cd968bdabee69566d4926087a420750ad7977f7e8ee7d15c6b4','44136fa355b3678a1146ad16f7e8649e','completed','{service}/upload/b358d15800bd43a2b727aedd55425213/f1bfccff-d5f2-4a74-9170-f31635fc0149',1.79529704344565629956e+09,NULL,NULL,'["e86ad32c-4175-4d2b-91cf-058a8eebf9c5"]',NULL,NULL,1.0,'{"found":1795297043.435,"uploading":1795297043.437,"waiting":1795297043.448,"submitting":1795297043.449,"queued":1795297043.457,"processing":1795297043.467,"completed":1795297043.485,"ended":1795297043.47}');
INSERT INTO "jobs" VALUES(4,'sha256:ac39add5d0cbe9bfe91381655a96105961c7b002a2b82cf83be2bb197268a1db','44136fa355b3678a1146ad16f7e8649e','completed','{service}/upload/d6f85f21bfb064235701bfdbdf63560f/7a8754c0-7ad8-45d5-ae33-72be8bfa2f59',1.79529704345141863817e+09,NULL,NULL,'["b26f2a28-4e2c-4721-af6b-cf57c86811c5"]',NULL,NULL,1.0,'{"found":1795297043.437,"uploading":1795297043.442,"waiting":1795297043.457,"submitting":1795297043.457,"processing":1795297043.48,"completed":1795297043.491,"ended":1795297043.486}');
CREATE TABLE limits (moment REAL NOT NULL, jobs INTEGER NOT NULL);
INSERT INTO "limits" VALUES(1.79529704343193173415e+09,5);
CREATE TABLE recordings (
        name TEXT PRIMARY KEY,              -- relative path in the output folder
        source TEXT NOT NULL,
        size INTEGER,
        modified INTEGER,                   -- nanoseconds
        content TEXT,
        seconds REAL,                       -- length of the audio, probed
        job INTEGER REFERENCES jobs (key),
        written INTEGER NOT NULL DEFAULT 0
    , problem TEXT) WITHOUT ROWID;
INSERT INTO "recordings" VALUES('a.wav','in/a.wav',3200,1795297043411151821,'sha256:b44391f206168cd968bdabee69566d4926087a420750ad7977f7e8ee7d15c6b4',NULL,3,1,NULL);
INSERT INTO "recordings" VALUES('b.wav','in/b.wav',3200,1795297043411188222,'sha256:ac39add5d0cbe9bfe91381655a96105961c7b002a2b82cf83be2bb197268a1db',NULL,4,1,NULL);
INSERT INTO "recordings" VALUES('bad.mp3','http://recordings.test/bad.mp3',NULL,NULL,'url:http://recordings.test/bad.mp3?seconds=0.01&duration=2&error=Transcoding failed',NULL,2,0,NULL);
INSERT INTO "recordings" VALUES('copy of a.wav','in/copy of a.wav',3200,1795297043411213265,'sha256:b44391f206168cd968bdabee69566d4926087a420750ad7977f7e8ee7d15c6b4',NULL,3,1,NULL);
INSERT INTO "recordings" VALUES('good.mp3','http://recordings.test/good.mp3',NULL,NULL,'url:http://recordings.test/good.mp3?seconds=0.01&duration=2',NULL,1,1,NULL);
INSERT INTO "recordings" VALUES('missing.wav','missing.wav',NULL,NULL,NULL,NULL,NULL,0,'missing.wav: there is no such file');
CREATE INDEX recordings_of_job ON recordings (job);
COMMIT;
PRAGMA user_version=2;
