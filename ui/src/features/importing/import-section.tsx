/** The importer's place on the administrator's page; the importer itself is loaded when it is asked for. */
import Button from '@atlaskit/button/new';
import Heading from '@atlaskit/heading';
import { lazy, Suspense, useState } from 'react';

import { RowSkeletons } from '../../shared/skeletons';

const Importer = lazy(async () => ({ default: (await import('./importer')).Importer }));

export function ImportSection() {
  const [isOpen, setOpen] = useState(false);
  return (
    <section className="cq-panel" aria-labelledby="cq-import-title">
      <Heading size="medium" as="h2" id="cq-import-title">
        Import questions
      </Heading>
      <p>
        From Questions for Confluence, Stack Overflow for Teams or a CSV table. The file is read in your browser and never
        uploaded; you see what would be lost before anything is written.
      </p>
      {isOpen ? (
        <Suspense fallback={<RowSkeletons />}>
          <Importer />
        </Suspense>
      ) : (
        <Button onClick={() => setOpen(true)}>Start an import</Button>
      )}
    </section>
  );
}
