import type { Connection } from '../../organizations/organizations.ts';
import type { Frame } from '../navigation.ts';
import { DataTable } from '../parts/data-table.tsx';
import { Field } from '../parts/field.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { StateBadge } from './connection-state.tsx';

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
      <h2 id="connections">Connections</h2>
      <DataTable
        label="Connections"
        rows={connections}
        columns={[
          {
            label: 'Name',
            kind: 'heading',
            cell: ({ id, name }) => (
              <a href={`${base}/${id}`} {...(id === shown.id ? { 'aria-current': 'true' as const } : {})}>
                <ForeignText text={name} />
              </a>
            ),
          },
          {
            label: 'State',
            cell: ({ id, state }) => (
              <>
                <StateBadge state={state} />
                {id === connections[0]?.id ? ' default' : null}
              </>
            ),
          },
          { label: 'Email domains', kind: 'wide', cell: ({ settings: { emailDomains = [] } }) => emailDomains.join(', ') || 'none' },
        ]}
      />
      <h3>
        Change <ForeignText text={shown.name} />
      </h3>
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
    <Field name="name" label="Name" value={shown.name} required maxlength={100} />
    <Field
      name="email_domains"
      label="Email domains"
      value={(shown.settings.emailDomains ?? []).join('\n')}
      lines={3}
      hint="One per line. Sign-ins that start with an email address in one of these domains use this connection."
    />
    <button type="submit" class="secondary">
      Save connection
    </button>
  </PostForm>
);

const StateForm = ({ path, frame, shown }: FormProps & { readonly shown: Connection }) =>
  shown.state === 'active' ? (
    <PostForm action={`${path}/disable`} csrfToken={frame.csrfToken}>
      <p>Disabling refuses sign-ins immediately and revokes the sessions and tokens of the members of this connection.</p>
      <KeepSessions />
      <button type="submit" class="danger">
        Disable connection
      </button>
    </PostForm>
  ) : (
    <PostForm action={`${path}/enable`} csrfToken={frame.csrfToken}>
      <p>Users cannot sign in through this connection until you enable it.</p>
      <button type="submit">Enable connection</button>
    </PostForm>
  );

const DefaultForm = ({ path, frame }: FormProps) => (
  <PostForm action={`${path}/default`} csrfToken={frame.csrfToken}>
    <p>Role rules without a connection, and the default role, apply to the default connection only.</p>
    <button type="submit" class="secondary">
      Make default connection
    </button>
  </PostForm>
);

const RemovalForm = ({ path, frame }: FormProps) => (
  <PostForm action={`${path}/remove`} csrfToken={frame.csrfToken}>
    <KeepSessions />
    <label>
      <input type="checkbox" name="confirmed" value="yes" required /> Delete this connection with its metadata and settings
    </label>
    <button type="submit" class="danger">
      Delete connection
    </button>
  </PostForm>
);

const KeepSessions = () => (
  <label>
    <input type="checkbox" name="keep_sessions" value="yes" /> Keep the sessions and tokens of its members
  </label>
);

const AddForm = ({ path, frame }: FormProps) => (
  <details>
    <summary>Add a connection</summary>
    <PostForm action={`${path}/add`} csrfToken={frame.csrfToken}>
      <label>
        Name
        <input name="new_name" type="text" required maxlength={100} autocomplete="off" />
      </label>
      <label>
        Metadata URL
        <input name="new_metadata_url" type="url" maxlength={2048} autocomplete="off" />
      </label>
      <label>
        Or metadata XML
        <textarea name="new_metadata_xml" rows={4} spellcheck={false} />
      </label>
      <button type="submit">Add connection</button>
    </PostForm>
  </details>
);
