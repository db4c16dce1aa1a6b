// Uses the vendor's Node SDK as its documentation shows; prints what came of it as JSON.
import { AssemblyAI } from "assemblyai";

const [baseUrl, apiKey, audio] = process.argv.slice(2);
const client = new AssemblyAI({ apiKey, baseUrl });
const options = { pollingInterval: 20 };
const url = (name, rules = "") => `http://recordings.test/${name}.mp3?seconds=0.01&duration=12&words=30${rules}`;
const said = {};

const file = await client.transcripts.transcribe({ audio }, options);
said.file = file.text;
const remote = await client.transcripts.transcribe({ audio: url("a"), speaker_labels: true }, options);
said.speakers = [...new Set(remote.utterances.map((utterance) => utterance.speaker))];
said.status = (await client.transcripts.get(remote.id)).status;
said.srt = await client.transcripts.subtitles(remote.id, "srt", 32);
said.sentences = (await client.transcripts.sentences(remote.id)).sentences.length;
said.paragraphs = (await client.transcripts.paragraphs(remote.id)).paragraphs.length;
said.matches = (await client.transcripts.wordSearch(remote.id, ["transcript"])).total_count;
const failed = await client.transcripts.transcribe({ audio: url("b", "&error=Transcoding+failed") }, options);
said.error = failed.error;
const page = await client.transcripts.list({ limit: 2 });
said.page = page.transcripts.length;
said.older = (await client.transcripts.list(page.page_details.prev_url)).transcripts.length;
const redacting = { redact_pii: true, redact_pii_policies: ["person_name"], redact_pii_audio: true };
const redacted = await client.transcripts.transcribe({ audio: url("c"), ...redacting }, options);
said.redacted = (await client.transcripts.redactedAudio(redacted.id)).status;
said.deleted = (await client.transcripts.delete(remote.id)).text;
try {
  await new AssemblyAI({ apiKey: "wrong", baseUrl }).transcripts.list();
} catch (error) {
  said.refused = error.message;
}
console.log(JSON.stringify(said));
