import type { RoleManager } from 'casbin';
import { lineText, refused, type PolicyLine } from './line.js';

/** How many links may follow from one another. */
export const maxDepth = 100;

/** How many pairs of a role and one that follows from it a set may have, in all tenants together. */
const maxFollowing = 2_000_000;

/** How many more pairs there may be. */
export interface Room {
  left: number;
}

/** The room of a whole set. */
export const newRoom = (): Room => ({ left: maxFollowing });

/** Which roles follow from a role, in one tenant and for one role definition. */
export type RoleGraph = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Follows all links of lines `g`. casbin stops after ten without a word; here there is no such end, and a circle is
 * refused.
 *
 * @param lines - of one role definition and one tenant
 * @param room - shared by all graphs of a set: what follows grows as the square of the lines
 * @throws PortcullisError `policies_invalid`
 */
export function roleGraph(lines: readonly PolicyLine[], room = newRoom()): RoleGraph {
  const links = new Map<string, PolicyLine[]>();
  for (const line of lines) {
    const from = line.values[0] ?? '';
    const there = links.get(from);
    if (there === undefined) links.set(from, [line]);
    else there.push(line);
  }
  const graph = new Map<string, Set<string>>();
  const open = new Set<string>();
  const visit = (name: string): Set<string> => {
    const known = graph.get(name);
    if (known !== undefined) return known;
    open.add(name);
    if (open.size > maxDepth)
      throw refused(
        links.get(name)?.[0]?.place ?? 'policy',
        `roles follow from one another more than ${String(maxDepth)} times`,
      );
    const all = new Set<string>();
    for (const line of links.get(name) ?? []) {
      const to = line.values[1] ?? '';
      if (open.has(to)) throw refused(line.place ?? 'policy', `\`${lineText(line)}\` closes a circle of roles`);
      all.add(to);
      for (const further of visit(to)) all.add(further);
    }
    room.left -= all.size;
    if (room.left < 0)
      throw refused(
        links.get(name)?.[0]?.place ?? 'policy',
        `more than ${String(maxFollowing)} roles follow from others: link what many share once`,
      );
    open.delete(name);
    graph.set(name, all);
    return all;
  };
  for (const name of links.keys()) visit(name);
  return graph;
}

/** What a request’s subject is called when it is several names: no line can have it. */
export const severalSubjects = '\u0001subject';

/** The subjects of the question that is being asked. */
export interface Asking {
  subjects: readonly string[];
}

/** casbin’s role manager over a graph: it is asked while a question is, one at a time. */
export function roleManager(graph: RoleGraph | undefined, asking: Asking): RoleManager {
  const has = (one: string, other: string): boolean =>
    one === severalSubjects
      ? asking.subjects.some((subject) => subject === other || graph?.get(subject)?.has(other) === true)
      : one === other || graph?.get(one)?.has(other) === true;
  const never = (): Promise<never> => Promise.reject(new TypeError('policies are changed where they come from'));
  return {
    clear: never,
    addLink: never,
    deleteLink: never,
    hasLink: (one, other) => Promise.resolve(has(one, other)),
    syncedHasLink: has,
    getRoles: never,
    getUsers: never,
    printRoles: () => Promise.resolve(),
    getDomains: never,
    getAllDomains: never,
  };
}
