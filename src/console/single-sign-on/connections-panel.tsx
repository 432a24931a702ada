import type { ComponentChildren } from 'preact';
import type { Connection } from '../../organizations/organizations.ts';
import type { Frame } from '../navigation.ts';
import { DataTable } from '../parts/data-table.tsx';
import { Field } from '../parts/field.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { StateBadge } from './connection-state.tsx';

const TEXTS = {
  connections: 'Connections',
  name: 'Name',
  state: 'State',
  isDefault: 'default',
  emailDomains: 'Email domains',
  noDomains: 'none',
  edit: (name: ComponentChildren) => <>Edit the connection “{name}”</>,
  emailDomainsHint: 'One per line. Sign-ins that start with an email address in one of these domains use this connection.',
  saveConnection: 'Save connection',
  whatDisablingDoes: 'Disabling refuses sign-ins immediately and revokes the sessions and tokens of the members of this connection.',
  disableConnection: 'Disable connection',
  isDisabled: 'Users cannot sign in through this connection until you enable it.',
  enableConnection: 'Enable connection',
  whatDefaultMeans: 'Role rules without a connection, and the default role, apply to the default connection only.',
  makeDefaultConnection: 'Make default connection',
  confirmDeletion: 'Delete this connection with its metadata and settings',
  deleteConnection: 'Delete connection',
  keepSessions: 'Keep the sessions and tokens of its members',
  openAddition: 'Add a connection',
  metadataUrl: 'Metadata URL',
  orMetadataXml: 'Or metadata XML',
  addConnection: 'Add connection',
} as const;

export interface ConnectionsPanelProps {
  readonly frame: Frame;
  /** The default connection first. */
  readonly connections: readonly Connection[];
  /** The connection that the page shows. */
  readonly shown: Connection;
}

/** Lists the connections, changes the one that the page shows, and adds further ones. For owners and the operator. */
export function ConnectionsPanel({ frame, connections, shown }: ConnectionsPanelProps) {
  const base = `${frame.base}/single-sign-on`;
  const isDefault = shown.id === connections[0]?.id;
  return (
    <section class="panel" aria-labelledby="connections">
      <h2 id="connections">{TEXTS.connections}</h2>
      <DataTable
        label={TEXTS.connections}
        rows={connections}
        columns={[
          {
            label: TEXTS.name,
            kind: 'heading',
            cell: ({ id, name }) => (
              <a href={`${base}/${id}`} {...(id === shown.id ? { 'aria-current': 'true' as const } : {})}>
                <ForeignText text={name} />
              </a>
            ),
          },
          {
            label: TEXTS.state,
            cell: ({ id, state }) => (
              <>
                <StateBadge state={state} /> {id === connections[0]?.id ? TEXTS.isDefault : null}
              </>
            ),
          },
          {
            label: TEXTS.emailDomains,
            kind: 'wide',
            cell: ({ settings: { emailDomains = [] } }) => emailDomains.join(', ') || TEXTS.noDomains,
          },
        ]}
      />
      <h3>{TEXTS.edit(<ForeignText text={shown.name} />)}</h3>
      <DetailsForm path={`${base}/${shown.id}`} frame={frame} shown={shown} />
      <StateForm path={`${base}/${shown.id}`} frame={frame} shown={shown} />
      {isDefault ? null : <DefaultForm path={`${base}/${shown.id}`} frame={frame} />}
      {isDefault && connections.length > 1 ? null : <RemovalForm path={`${base}/${shown.id}`} frame={frame} />}
      <AddForm path={base} frame={frame} />
    </section>
  );
}

interface FormProps {
  readonly path: string;
  readonly frame: Frame;
}

const DetailsForm = ({ path, frame, shown }: FormProps & { readonly shown: Connection }) => (
  <PostForm action={`${path}/details`} csrfToken={frame.csrfToken}>
    <Field name="name" label={TEXTS.name} value={shown.name} required maxlength={100} />
    <Field
      name="email_domains"
      label={TEXTS.emailDomains}
      value={(shown.settings.emailDomains ?? []).join('\n')}
      lines={3}
      hint={TEXTS.emailDomainsHint}
    />
    <button type="submit" class="secondary">
      {TEXTS.saveConnection}
    </button>
  </PostForm>
);

const StateForm = ({ path, frame, shown }: FormProps & { readonly shown: Connection }) =>
  shown.state === 'active' ? (
    <PostForm action={`${path}/disable`} csrfToken={frame.csrfToken}>
      <p>{TEXTS.whatDisablingDoes}</p>
      <KeepSessions />
      <button type="submit" class="danger">
        {TEXTS.disableConnection}
      </button>
    </PostForm>
  ) : (
    <PostForm action={`${path}/enable`} csrfToken={frame.csrfToken}>
      <p>{TEXTS.isDisabled}</p>
      <button type="submit">{TEXTS.enableConnection}</button>
    </PostForm>
  );

const DefaultForm = ({ path, frame }: FormProps) => (
  <PostForm action={`${path}/default`} csrfToken={frame.csrfToken}>
    <p>{TEXTS.whatDefaultMeans}</p>
    <button type="submit" class="secondary">
      {TEXTS.makeDefaultConnection}
    </button>
  </PostForm>
);

const RemovalForm = ({ path, frame }: FormProps) => (
  <PostForm action={`${path}/remove`} csrfToken={frame.csrfToken}>
    <KeepSessions />
    <label>
      <input type="checkbox" name="confirmed" value="yes" required /> {TEXTS.confirmDeletion}
    </label>
    <button type="submit" class="danger">
      {TEXTS.deleteConnection}
    </button>
  </PostForm>
);

const KeepSessions = () => (
  <label>
    <input type="checkbox" name="keep_sessions" value="yes" /> {TEXTS.keepSessions}
  </label>
);

const AddForm = ({ path, frame }: FormProps) => (
  <details>
    <summary>{TEXTS.openAddition}</summary>
    <PostForm action={`${path}/add`} csrfToken={frame.csrfToken}>
      <label>
        {TEXTS.name}
        <input name="new_name" type="text" required maxlength={100} autocomplete="off" />
      </label>
      <label>
        {TEXTS.metadataUrl}
        <input name="new_metadata_url" type="url" maxlength={2048} autocomplete="off" />
      </label>
      <label>
        {TEXTS.orMetadataXml}
        <textarea name="new_metadata_xml" rows={4} spellcheck={false} />
      </label>
      <button type="submit">{TEXTS.addConnection}</button>
    </PostForm>
  </details>
);
