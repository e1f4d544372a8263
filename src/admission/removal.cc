#include "admission/removal.h"

#include "model/proxy.h"

namespace mesh {

Status remove_proxies(Store& store, const std::vector<ResourceKey>& keys) {
  std::vector<Write> writes;
  for (const ResourceKey& key : keys) {
    if (!proxy_of_resource(key)) return error(ErrorKind::Internal, key.to_string() + " stands for no proxy");
    Write& write = writes.emplace_back(Write{.op = Write::Op::Delete, .resource = {}, .expect = Expect::anything()});
    write.resource.key = key;
  }
  MESH_RETURN_IF_ERROR(store.write(std::move(writes)));
  return {};
}

}  // namespace mesh
