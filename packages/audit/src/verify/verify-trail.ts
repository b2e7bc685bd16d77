import { allTrails } from '../trail/checkpoint.js';
import { parseRecord } from '../trail/record.js';
import type { CheckpointKey } from '../trail/signer.js';
import {
  checkCheckpoints,
  checkpointVerifier,
  type CheckedCheckpoints,
  type CheckpointVerifier,
  type TrailPins,
} from './checked-checkpoints.js';
import type { Finding, TrailReport } from './finding.js';
import { TrailWalk, type TrailStart } from './trail-walk.js';

/** The part of a trail that an extract has. */
export interface ExtractRange {
  /** The record before the first one, which a checkpoint has to vouch for; 0 from the beginning on. */
  readonly after: number;
  /** The last record. @defaultValue the end of the trail */
  readonly upTo?: number | undefined;
}

/** What is verified, and with what. */
export interface VerifyOptions {
  /** The texts of the records; those of one trail as they are stored, trails in any order or mixed. */
  readonly records: AsyncIterable<string> | Iterable<string>;
  /** Checkpoints; those of one trail in order. */
  readonly checkpoints: AsyncIterable<string> | Iterable<string>;
  /** The public keys that are trusted, former ones too. From somewhere else than the trail itself. */
  readonly keys: readonly CheckpointKey[];
  /** Checkpoints that were published elsewhere: each has to be among the others. */
  readonly anchors?: readonly string[] | undefined;
  /** For an extract: the trails that are in it, and from where to where. @defaultValue whole trails, all of them */
  readonly extract?: Readonly<Record<string, ExtractRange>> | undefined;
  /**
   * Whether records behind the last checkpoint are a finding. Nobody vouches for them yet: whoever writes the trail
   * could have added or changed them. @defaultValue false, they are counted as not signed
   */
  readonly requireSigned?: boolean | undefined;
  /** Where the store says that trails end. @defaultValue not compared */
  readonly heads?: ReadonlyMap<string, number> | undefined;
  /** How many findings are listed. The rest is counted. @defaultValue 1000 */
  readonly maxFindings?: number | undefined;
  /** Told each finding, all of them. */
  readonly onFinding?: ((finding: Finding) => void) | undefined;
}

/**
 * Verifies trails against their checkpoints: finds what was edited, removed, inserted, moved or written anew, in
 * records and in checkpoints, lists all of it, and where.
 *
 * Records are read once and not kept; of each checkpoint some two hundred bytes are.
 *
 * What was cut off behind the last checkpoint (records and checkpoints alike) cannot be noticed by anybody who has
 * the trail alone: publish checkpoints (`anchor`), and give them as `anchors`.
 *
 * @throws TypeError without a key
 */
export async function verifyTrail(options: VerifyOptions): Promise<TrailReport> {
  const { keys, anchors = [], extract, heads, maxFindings = 1000, onFinding, requireSigned = false } = options;
  if (keys.length === 0) throw new TypeError('a verification needs the public keys that are trusted');
  const findings: Finding[] = [];
  let findingCount = 0;
  const tell = (finding: Finding): void => {
    findingCount++;
    if (findings.length < maxFindings) findings.push(finding);
    onFinding?.(finding);
  };
  const verify = await checkpointVerifier(keys);
  const checked = await checkCheckpoints(options.checkpoints, verify, tell, extract !== undefined);
  checkOver(checked, extract, tell);
  await checkAnchors(anchors, checked, verify, extract, tell);

  const walks = new Map<string, TrailWalk>();
  const walkOf = (trail: string): TrailWalk => {
    const known = walks.get(trail);
    if (known !== undefined) return known;
    const pins = checked.trails.get(trail);
    if (extract !== undefined && !Object.hasOwn(extract, trail))
      tell({ kind: 'misplaced', trail, detail: 'the trail is not one of those in the extract' });
    const range = { start: startOf(trail, pins, extract, tell), upTo: extract?.[trail]?.upTo };
    const walk = new TrailWalk(trail, pins, range, tell);
    walks.set(trail, walk);
    return walk;
  };
  let records = 0;
  let line = 0;
  for await (const text of options.records) {
    line++;
    const record = parseRecord(text);
    if (record === undefined) tell({ kind: 'malformed', trail: '', detail: `line ${String(line)} is no record` });
    else {
      records++;
      walkOf(record.trail).record(record);
    }
  }
  // Trails of which there is nothing but a checkpoint, or the store's word.
  for (const trail of [...checked.trails.keys(), ...(heads?.keys() ?? [])]) if (trail !== allTrails) walkOf(trail);
  const trails = [...walks]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([trail, walk]) => walk.end(heads?.get(trail), requireSigned));
  return { intact: findingCount === 0, findings, findingCount, records, checkpoints: checked.count, trails };
}

function startOf(
  trail: string,
  pins: TrailPins | undefined,
  extract: VerifyOptions['extract'],
  tell: (finding: Finding) => void,
): TrailStart {
  const removal = pins?.removal;
  const whole = removal === undefined ? { seq: 0, hash: null } : { seq: removal.seq, hash: removal.hash };
  const seq = extract?.[trail]?.after;
  if (seq === undefined || seq === whole.seq) return whole;
  const signed = pins?.pins.find((pin) => pin.seq === seq);
  if (signed === undefined)
    tell({
      kind: 'checkpoint_removed',
      trail,
      detail: `the beginning of the extract, record ${String(seq)}, is not signed`,
    });
  return signed ?? { seq, hash: null };
}

/** Each trail has the checkpoint that those over all trails say it has. */
function checkOver(
  checked: CheckedCheckpoints,
  extract: VerifyOptions['extract'],
  tell: (finding: Finding) => void,
): void {
  for (const [trail, { n, digest }] of checked.over) {
    if (extract !== undefined && !Object.hasOwn(extract, trail)) continue;
    const pins = checked.trails.get(trail);
    if (pins === undefined)
      tell({ kind: 'trail_removed', trail, detail: 'a whole trail is gone, or all of its checkpoints' });
    else compareDigest(trail, pins, n, digest, tell);
  }
  const trails = [...checked.trails.keys()];
  if (extract === undefined && trails.length > 0 && !trails.includes(allTrails))
    tell({ kind: 'checkpoint_removed', trail: allTrails, detail: 'there are no checkpoints over all trails' });
}

function compareDigest(
  trail: string,
  pins: TrailPins,
  n: number,
  digest: string,
  tell: (finding: Finding) => void,
): void {
  if (n <= (pins.removal?.checkpoint.n ?? 0)) return;
  if (n > pins.lastN) {
    const seq = pins.lastN + 1;
    tell({ kind: 'checkpoint_removed', trail, seq, to: n, detail: 'the last checkpoints are missing' });
  } else if (pins.digests.has(n) && pins.digests.get(n) !== digest)
    tell({ kind: 'checkpoint_replaced', trail, seq: n, detail: 'not the checkpoint that was signed' });
}

async function checkAnchors(
  anchors: readonly string[],
  checked: CheckedCheckpoints,
  verify: CheckpointVerifier,
  extract: VerifyOptions['extract'],
  tell: (finding: Finding) => void,
): Promise<void> {
  for (const jws of anchors) {
    const verified = await verify(jws);
    if ('kind' in verified) {
      tell({ ...verified, detail: `of the published ones: ${verified.detail}` });
      continue;
    }
    const { trail, n } = verified.payload;
    if (extract !== undefined && !Object.hasOwn(extract, trail)) continue;
    const pins = checked.trails.get(trail);
    if (pins === undefined)
      tell({ kind: 'trail_removed', trail, detail: 'its checkpoint was published, and the trail is gone' });
    else compareDigest(trail, pins, n, verified.digest, tell);
  }
}
