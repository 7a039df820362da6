/** Placeholders with the height of what they stand for, so that the frame does not jump. */
import Skeleton from '@atlaskit/skeleton';

interface WaitingProps {
  readonly what: string;
}

function Waiting({ what }: WaitingProps) {
  return (
    <span className="cq-sr" role="status">
      Loading {what}…
    </span>
  );
}

const TITLE_WIDTHS = ['72%', '54%', '64%', '48%', '68%', '58%'];

export function RowSkeletons() {
  return (
    <div className="cq-rows">
      <Waiting what="questions" />
      {TITLE_WIDTHS.map((width) => (
        <div className="cq-row" key={width} aria-hidden="true">
          <div className="cq-row__figures">
            <Skeleton width={56} height={48} borderRadius="var(--ds-radius-medium)" isShimmering />
            <Skeleton width={56} height={48} borderRadius="var(--ds-radius-medium)" isShimmering />
          </div>
          <div className="cq-row__main cq-row__main--waiting">
            <Skeleton width={width} height={20} isShimmering />
            <Skeleton width="38%" height={16} isShimmering />
          </div>
        </div>
      ))}
    </div>
  );
}

export function PostSkeleton({ what }: WaitingProps) {
  return (
    <div className="cq-post" aria-busy="true">
      <Waiting what={what} />
      <div className="cq-post__side" aria-hidden="true">
        <Skeleton width={40} height={64} borderRadius="var(--ds-radius-medium)" isShimmering />
      </div>
      <div className="cq-post__main cq-post__main--waiting" aria-hidden="true">
        <Skeleton width="92%" height={16} isShimmering />
        <Skeleton width="84%" height={16} isShimmering />
        <Skeleton width="88%" height={16} isShimmering />
        <Skeleton width="40%" height={16} isShimmering />
      </div>
    </div>
  );
}

export function PageSkeleton({ what }: WaitingProps) {
  return (
    <div className="cq-page">
      <div className="cq-page__waiting" aria-hidden="true">
        <Skeleton width={120} height={16} isShimmering />
        <Skeleton width="60%" height={32} isShimmering />
      </div>
      <PostSkeleton what={what} />
    </div>
  );
}
