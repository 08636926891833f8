export { createHttpServer, drain, expectsContinue, type HttpLimits } from './server.ts'
