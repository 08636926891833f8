export { createHttpServer, drain, expectsContinue, type HttpLimits, letContinue } from './server.ts'
