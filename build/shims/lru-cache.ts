// Made for the topic aliases a broker offers; we use none, so it is never asked anything.
export class LRUCache {}
