;; Says what something costs: the guests price-1 and price-2 are two versions of one component.
(component
  (core module $module (func (export "price") (result i32) i32.const 2))
  (core instance $inside (instantiate $module))
  (func $price (result u32) (canon lift (core func $inside "price")))
  (instance $tag (export "price" (func $price)))
  (export "demo:shop/tag@1.0.0" (instance $tag)))
