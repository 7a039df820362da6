/** A post's tags. */
interface Props {
  readonly tags: readonly string[];
}

export function Tags({ tags }: Props) {
  if (tags.length === 0) return null;
  return (
    <ul className="cq-tags" aria-label="Tags">
      {tags.map((tag) => (
        <li className="cq-tag" key={tag}>
          {tag}
        </li>
      ))}
    </ul>
  );
}
