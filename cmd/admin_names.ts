/** The administrator's commands and what each does, for the help text; their code is loaded when one is run. */
export const ADMIN_NAMES = {
  "setup-namespace": "prepare a namespace for Cloud Run services",
  "teardown-namespace": "take that back",
  "register-service": "make a Cloud Run service one of the mesh's",
  "unregister-service": "take that back",
  "deploy": "deploy an image as a mesh-enabled Cloud Run service",
  "add-service": "put a Cloud Run service, as it is, into the mesh",
  "remove-service": "take that back",
  "doctor": "find out what is wrong, and which command mends it",
} as const;

export type AdminName = keyof typeof ADMIN_NAMES;
