import * as weir from 'weir-host';

weir.log('weir enforcer: here');
