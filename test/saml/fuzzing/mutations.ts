/** What an attacker, a broken proxy or chance does to a message. */
import { ATTRIBUTES, PROLOGUE, TEXTS, TOKENS } from './content-mutations.ts';
import { ELEMENTS, NAMESPACES } from './element-mutations.ts';
import type { Mutations } from './mutation.ts';
import { SIGNATURES, WRAPPING } from './signature-mutations.ts';

/** What is likeliest to find something stands here more often; much of the rest only breaks the XML. */
export const MUTATIONS: readonly Mutations[] = [
  ...[WRAPPING, WRAPPING, SIGNATURES, SIGNATURES, ELEMENTS, ELEMENTS, ATTRIBUTES, ATTRIBUTES, TEXTS, TEXTS, NAMESPACES, TOKENS, PROLOGUE],
];

const { deleteElement, emptyElement } = ELEMENTS;
const { deleteAttribute, renameAttribute, changeValue } = ATTRIBUTES;
const ABSENCES = { deleteElement, emptyElement, deleteAttribute, renameAttribute, changeValue } as Mutations;

/** What leaves a message of the right form, but with another meaning or none. */
export const MEANING_MUTATIONS: readonly Mutations[] = [ABSENCES, ABSENCES, TEXTS, ATTRIBUTES, ELEMENTS];
