/** All mutations: changes that an attacker, a broken proxy or chance could make. */
import { ATTRIBUTES, PROLOGUE, TEXTS, TOKENS } from './content-mutations.ts';
import { ELEMENTS, NAMESPACES } from './element-mutations.ts';
import type { Mutations } from './mutation.ts';
import { SIGNATURES, WRAPPING } from './signature-mutations.ts';

/** Mutations that are most likely to find a flaw are listed more often, because many of the others only break the XML. */
export const MUTATIONS: readonly Mutations[] = [
  ...[WRAPPING, WRAPPING, SIGNATURES, SIGNATURES, ELEMENTS, ELEMENTS, ATTRIBUTES, ATTRIBUTES, TEXTS, TEXTS, NAMESPACES, TOKENS, PROLOGUE],
];

const { deleteElement, emptyElement } = ELEMENTS;
const { deleteAttribute, renameAttribute, changeValue } = ATTRIBUTES;
const ABSENCES = { deleteElement, emptyElement, deleteAttribute, renameAttribute, changeValue } as Mutations;

/** Mutations that keep the form of a message, but change its meaning. */
export const MEANING_MUTATIONS: readonly Mutations[] = [ABSENCES, ABSENCES, TEXTS, ATTRIBUTES, ELEMENTS];
