/** Request bodies: how an operation reads one, and how the OpenAPI document describes it. */
import express, { type Request, type RequestHandler, type Response } from 'express';
import type { z } from 'zod';
import { type ErrorVariantName, GatewayError } from '../../errors.ts';
import { checkShape } from './request-shapes.ts';

export interface RequestBody<Body> {
  /** Schema by media type, for the OpenAPI document; `text` and `octets` stand for a document and a file of that type. */
  readonly content: Readonly<Record<string, z.ZodType | 'text' | 'octets'>>;
  /** Parses and validates the body of a request. @throws validation_failed, payload_too_large */
  read(request: Request, response: Response): Promise<Body>;
}

export const parseJson = express.json({ limit: '2mb', inflate: false });
const parseForm = express.urlencoded({ extended: false, limit: '32kb', inflate: false });

/** Describes a required JSON body. */
export const json = <Body>(shape: z.ZodType<Body>): RequestBody<Body> => ({
  content: { 'application/json': shape },
  read: async (request, response) => checkShape(shape, await jsonOf(request, response)),
});

/** Describes a JSON body that may be missing, which is the same as an empty object. */
export const optionalJson = <Body>(shape: z.ZodType<Body>): RequestBody<Body> => ({
  content: { 'application/json': shape },
  read: async (request, response) => checkShape(shape, (await jsonOf(request, response)) ?? {}),
});

/** Describes a form, the only body that OAuth endpoints take (RFC 6749 §3.2). */
export const form = <Body>(shape: z.ZodType<Body>): RequestBody<Body> => ({
  content: { 'application/x-www-form-urlencoded': shape },
  read: async (request, response) => checkShape(shape, await formOf(request, response)),
});

/** Returns the parsed JSON of a request, or undefined if it has none. @throws an error with a 4xx status */
export async function jsonOf(request: Request, response: Response, parser: RequestHandler = parseJson): Promise<unknown> {
  await runParser(parser, request, response);
  return request.body;
}

/** Returns the fields of a form. A field that is sent twice is an array. @throws validation_failed if the request has no form */
export async function formOf(request: Request, response: Response): Promise<unknown> {
  await runParser(parseForm, request, response);
  if (request.is('application/x-www-form-urlencoded')) return request.body ?? {};
  throw new GatewayError('validation_failed', 'Send the parameters as application/x-www-form-urlencoded.');
}

/**
 * Returns whether a request has a body, which its client may send as slowly as the time limit allows. Whatever was checked before
 * the body must be checked again after it.
 */
export const hasBody = ({ headers }: Pick<Request, 'headers'>): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;

/** Returns a body parser that refuses a body above its limit with the text of a variant, because the parser does not know what it reads. */
export const withTooLargeText =
  (parser: RequestHandler, variant: ErrorVariantName): RequestHandler =>
  (request, response, next) =>
    parser(request, response, (error?: unknown) => {
      const isTooLarge = error !== undefined && (error as { status?: unknown }).status === 413;
      next(isTooLarge ? new GatewayError('payload_too_large', { variant, cause: error }) : error);
    });

/** Runs a body parser of Express, which sets `request.body`. */
export const runParser = (parser: RequestHandler, request: Request, response: Response): Promise<void> =>
  new Promise((resolve, reject) => {
    void parser(request, response, (error?: unknown) => (error === undefined ? resolve() : reject(error)));
  });
