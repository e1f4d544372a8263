# How our own code is compiled. Linked PRIVATE by every room; third-party and generated code does not get it.
add_library(mesh_options INTERFACE)
# Not about initializers that are left out: members have defaults, and naming those that matter is how settings are written.
target_compile_options(mesh_options INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
                                              -Woverloaded-virtual -Wno-missing-field-initializers
                                              -Werror=return-type -Werror=switch)
target_compile_definitions(mesh_options INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE)
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)

find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

# Sanitizers for our code. The generated protos are left as they are: they are large, and not ours.
if(MESH_SANITIZE STREQUAL "address")
  target_compile_options(mesh_options INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
elseif(MESH_SANITIZE STREQUAL "thread")
  target_compile_options(mesh_options INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
endif()
