/** Why a person may not ask in a space, and who can change it. */
import type { Grants } from '../../api/types';

/** The backend's reason when Confluence does not report the app's permissions at all. */
const TYPES_NOT_LISTED = 'types-not-listed';

export function askRefusal({ reason }: Grants): string {
  if (reason === TYPES_NOT_LISTED) {
    return 'Confluence does not report this app’s permissions for the space yet. A space administrator can set them in the space settings, under Permissions.';
  }
  return 'Your space permissions do not include adding questions. A space administrator can change this in the space settings, under Permissions.';
}
