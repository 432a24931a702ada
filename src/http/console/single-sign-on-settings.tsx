/** The settings of an organization's identity provider. */

import { type Request, type Response, Router } from 'express';
import type { Notice } from '../../console/navigation.ts';
import {
  FORM_FIELDS,
  type SettingsField,
  type SettingsValues,
  SingleSignOnSettingsPage,
} from '../../console/single-sign-on/single-sign-on-settings-page.tsx';
import { GatewayError } from '../../errors.ts';
import { changeIdpSettings } from '../../organizations/connections/identity-providers.ts';
import type { Runtime } from '../../runtime.ts';
import { organizationOf } from '../api/callers.ts';
import { checkShape, IDP_SETTINGS, toSettings } from '../api/request-shapes.ts';
import { requireVisitedConnection } from './connections/visited-connection.ts';
import { visitActorOf } from './setup-visit.ts';
import { frameOf, redirectWithNotice, sendConsolePage, singleSignOnPathOf } from './visit.ts';

const TEXTS = {
  saved: 'Your settings are saved and apply from the next sign-in.',
} as const;

export function singleSignOnSettingsPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', (request, response) => showSettings(runtime, request, response, { values: valuesOf(response) }));
  router.post('/', (request, response) => saveSettings(runtime, request, response));
  return router;
}

interface SettingsForm {
  readonly values: SettingsValues;
  readonly notice?: Notice;
  readonly status?: number;
}

function showSettings(runtime: Runtime, request: Request, response: Response, { values, notice, status }: SettingsForm): void {
  const connection = requireVisitedConnection(response);
  const frame = frameOf(runtime, request, response, notice);
  const page = <SingleSignOnSettingsPage frame={frame} values={values} connection={connection} />;
  sendConsolePage(response, page, status);
}

function valuesOf(response: Response): SettingsValues {
  const { settings } = requireVisitedConnection(response);
  const lines = (texts: readonly string[] = []) => texts.join('\n');
  const box = (isTicked: boolean) => (isTicked ? 'yes' : '');
  return {
    idp_initiated: settings.idpInitiated,
    clock_skew_seconds: String(settings.clockSkewSeconds),
    require_signed_assertion: box(settings.requireSignedAssertion),
    require_signed_response: box(settings.requireSignedResponse),
    require_encrypted_assertion: box(settings.requireEncryptedAssertion),
    sign_requests: settings.signRequests === undefined ? '' : settings.signRequests ? 'yes' : 'no',
    name_id_format: settings.nameIdFormat ?? '',
    allow_create: box(settings.allowCreate ?? true),
    force_authn: box(settings.forceAuthn),
    authn_context: lines(settings.authnContext),
    metadata_refresh_hours: String(settings.metadataRefreshHours ?? ''),
    attributes_email: lines(settings.attributeMapping.email),
    attributes_name: lines(settings.attributeMapping.name),
    attributes_groups: lines(settings.attributeMapping.groups),
  };
}

async function saveSettings(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const body = (request.body ?? {}) as Readonly<Record<string, unknown>>;
  const text = (field: SettingsField): string => (typeof body[field] === 'string' ? body[field] : '');
  const values = Object.fromEntries(FORM_FIELDS.map((field) => [field, text(field)])) as SettingsValues;
  try {
    const changes = toSettings(checkShape(IDP_SETTINGS, toApiValues(values)));
    const { id: connectionId } = requireVisitedConnection(response);
    const change = { organization: organizationOf(response), connectionId, changes };
    await changeIdpSettings(runtime, visitActorOf(request, response), change);
    const notice = TEXTS.saved;
    redirectWithNotice(runtime, response, singleSignOnPathOf(response), notice);
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'validation_failed') throw error;
    const notice: Notice = { kind: 'problem', text: error.facts.detail ?? error.textFor('user').title };
    showSettings(runtime, request, response, { values, notice, status: error.status });
  }
}

/** Converts the fields of the form to the values that the API takes. */
function toApiValues(values: SettingsValues): Record<string, unknown> {
  const lines = (field: SettingsField) =>
    values[field]
      .split(/[\r\n]+/)
      .map((line) => line.trim())
      .filter((line) => line !== '');
  const number = (field: SettingsField) => (values[field].trim() === '' ? null : Number(values[field]));
  const isTicked = (field: SettingsField) => values[field] === 'yes';
  const mapping = (['email', 'name', 'groups'] as const).map((name) => [name, lines(`attributes_${name}`)] as const);
  return {
    idp_initiated: values.idp_initiated,
    clock_skew_seconds: number('clock_skew_seconds'),
    require_signed_assertion: isTicked('require_signed_assertion'),
    require_signed_response: isTicked('require_signed_response'),
    require_encrypted_assertion: isTicked('require_encrypted_assertion'),
    sign_requests: values.sign_requests === '' ? null : isTicked('sign_requests'),
    name_id_format: values.name_id_format.trim() || null,
    allow_create: isTicked('allow_create'),
    force_authn: isTicked('force_authn'),
    authn_context: lines('authn_context'),
    metadata_refresh_hours: number('metadata_refresh_hours'),
    attribute_mapping: Object.fromEntries(mapping.filter(([, names]) => names.length > 0)),
  };
}
