// A broker of another maker, MQTT 3.1.1, on the loopback, in memory: node mqtt311.mjs PORT. Needs `npm install aedes`.
import { createServer } from 'node:net'
import { Aedes } from 'aedes'

const broker = await Aedes.createBroker()
createServer(broker.handle).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'))
