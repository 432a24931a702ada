/** `/organizations/{org}/logo`: the logo of an organization. */
import express from 'express';
import { GatewayError } from '../../errors.ts';
import { findLogo, MAX_LOGO_OCTETS, removeLogo, setLogo } from '../../organizations/logo/logo.ts';
import { requireKeyWithinLimit } from '../limits/rate-limits.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { logoJson } from './representations.ts';
import { type RequestBody, runParser, withTooLargeText } from './request-body.ts';

/** The octets decide which of the types it is. */
const IMAGE_TYPES = ['image/png', 'image/jpeg', 'image/webp', 'application/octet-stream'] as const;

const parseImage = withTooLargeText(express.raw({ type: [...IMAGE_TYPES], limit: MAX_LOGO_OCTETS, inflate: false }), 'logo_too_large');

const IMAGE_BODY: RequestBody<Buffer> = {
  content: { 'image/png': 'octets', 'image/jpeg': 'octets', 'image/webp': 'octets', 'application/octet-stream': 'octets' },
  read: async (request, response) => {
    await runParser(parseImage, request, response);
    if (Buffer.isBuffer(request.body)) return request.body;
    throw new GatewayError('validation_failed', `Send the image as ${IMAGE_TYPES.join(', ')}.`);
  },
};

export const LOGOS = [
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/logo',
    id: 'getLogo',
    summary: 'Retrieve the logo of an organization',
    description: 'Returns the address and the size of the image. Returns 404 `not_found` if the organization has no logo.',
    who: 'owner',
    status: 200,
    answer: answers.LOGO,
    refusals: ['not_found'],
    handle: async ({ runtime, organization }) => {
      const logo = await findLogo(runtime.store, organization.id);
      if (!logo) throw new GatewayError('not_found', 'The organization has no logo.');
      return logoJson(runtime, organization, logo);
    },
  }),
  operation({
    method: 'put',
    path: '/api/v1/organizations/{org}/logo',
    id: 'setLogo',
    summary: 'Set the logo of an organization',
    description:
      'Sets or replaces the logo that users see when they sign in. The body is a PNG, JPEG or WebP image of at most 64 KiB and 1024 × 1024 pixels, without animation.',
    who: 'owner',
    body: IMAGE_BODY,
    status: 200,
    answer: answers.LOGO,
    refusals: ['payload_too_large', 'conflict', 'rate_limited'],
    handle: async ({ runtime, actor, organization, body }) => {
      await requireKeyWithinLimit(runtime, 'logo_changes', organization.id);
      return logoJson(runtime, organization, await setLogo(runtime, actor, { organizationId: organization.id, octets: body }));
    },
  }),
  operation({
    method: 'delete',
    path: '/api/v1/organizations/{org}/logo',
    id: 'removeLogo',
    summary: 'Remove the logo of an organization',
    description: 'Pages show the initials of the organization again. Does nothing if the organization has no logo.',
    who: 'owner',
    status: 204,
    refusals: ['conflict'],
    handle: ({ runtime, actor, organization }) => removeLogo(runtime, actor, organization.id),
  }),
];
