// The node's thread. The page sends the module it has compiled, the address of the JavaScript that goes with it, and
// a port; the same program is then started here. What fails is thrown where the page hears of it.
onmessage = async ({ data: { module, glue, port } }) => {
  try {
    const program = await import(glue);
    await program.default({ module_or_path: module });
    program.serve(port, glue);
  } catch (error) {
    reportError(error);
  }
};
