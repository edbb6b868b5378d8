// Loaded before a node (`--import`): the machine seems to have as much memory as TEST_MEMORY_MIB says.
const bytes = Number(process.env.TEST_MEMORY_MIB) * 1_048_576;
process.constrainedMemory = () => bytes;
