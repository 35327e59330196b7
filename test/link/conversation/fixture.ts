// What the driver tells the conversation: where the broker and the strangers are. Goes from the one to the other as JSON, so that the
// conversation can run anywhere.

export type Fixture = Readonly<{
  /** What the broker speaks, what is preferred first. */
  versions: readonly Version[];
  port: number;
  tlsPort: number;
  user: string;
  password: string;
  name: string;
  authority: string;
  stranger: string;
  /** Takes one order per connection, and closes it when it is carried out. */
  control: number;
  /** Accepts and says nothing; welcomes (MQTT 5) and then is too busy; answers with something that is no MQTT; welcomes and
   *  sends a packet without an end; nobody at all. */
  silent: number;
  expel: number;
  babble: number;
  flood: number;
  refused: number;
  /** test/fakes/broker.ts. */
  odd: number;
}>;
export type Version = '5' | '3.1.1';
export type Order = 'kill' | 'end' | 'restart' | 'stall' | 'wake';
